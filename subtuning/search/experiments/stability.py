"""Stability: the whole procedure again, profile and greedy search, with another seed or another setting: does it choose
the same layers? Variants share what finished runs they have in common; one of `epsilon` or `stop` trains nothing."""

from dataclasses import replace

from subtuning.search.experiments import greedy, profile
from subtuning.search.experiments._options import numbers, options_of, whole, whole_numbers
from subtuning.search.study import Settings, Step, Study, Wanted

STOPS = ("test", "one_se", "epsilon")
OPTIONS = {
    "seeds": (3, lambda value: whole(value, 1), "a whole number from 1: of searches, each with seeds of its own"),
    "folds": ([], lambda value: value == [] or whole_numbers(value, 2), "a list of whole numbers from 2"),
    "epochs": ([], lambda value: value == [] or whole_numbers(value, 1), "a list of whole numbers from 1"),
    "lr": ([], lambda value: numbers(value, 0, above=True), "a list of factors of recipe.lr, such as [0.3, 3]"),
    "epsilon": ([], lambda value: numbers(value, 0), "a list of numbers from 0, such as [0, 0.01]"),
    "stop": ([], lambda value: isinstance(value, list) and set(value) <= set(STOPS), f"a list of {', '.join(STOPS)}"),
}
"""Each but `seeds` lists values of one setting, of which each is tried with all others as they are in the config."""

AS_CONFIGURED = "as configured"


def names(settings: Settings) -> list[str]:
    """One step. Raises `UserError` for wrong options."""
    options_of(settings, "stability", OPTIONS)
    return ["stability"]


def step(name: str, settings: Settings) -> Step:
    """Make every search."""
    reads = (*greedy.READS, "experiments.stability")
    return Step(name, ("greedy",), reads, ("train_experiment", "experiment_table"), _wanted)


def variants(study: Study) -> dict[str, Study]:
    """The study of each variant by its name, the one of the config first."""
    given, recipe = options_of(study.settings, "stability", OPTIONS), study.base.recipe
    found = {AS_CONFIGURED: study}
    for number in range(1, given["seeds"]):
        found[f"seed {number}"] = replace(study, first_seed=number * study.settings["search.seeds"], kept={})
    for folds in given["folds"]:
        found[f"{folds} folds"] = _with_settings(study, {"profile.folds": folds, "greedy.folds": folds})
    for epochs in given["epochs"]:
        changed = study.base.with_recipe(recipe.model_copy(update={"epochs": epochs}))
        found[f"{epochs} epochs"] = replace(study, base=changed, kept={})
    for factor in given["lr"]:
        changed = study.base.with_recipe(recipe.model_copy(update={"lr": float(f"{factor * recipe.lr:.6g}")}))
        found[f"lr x {factor:g}"] = replace(study, base=changed, kept={})
    for key in ("epsilon", "stop"):
        for value in given[key]:
            found[f"{key} {value}"] = _with_settings(study, {f"greedy.{key}": value})
    return found


def _with_settings(study: Study, changes: Settings) -> Study:
    return replace(study, settings={**study.settings, **changes}, kept={})


def _wanted(study: Study) -> Wanted:
    found = Wanted()
    runs: dict = {}
    for variant in variants(study).values():
        rounds = [name for name in greedy.names(variant.settings) if name != "greedy"]
        steps = [profile.step("profile", variant.settings), *(greedy.step(name, variant.settings) for name in rounds)]
        for one in steps:
            asked = one.wanted(variant)
            runs |= dict.fromkeys(asked.runs)
            found.later += asked.later
    found.runs = list(runs)
    return found
