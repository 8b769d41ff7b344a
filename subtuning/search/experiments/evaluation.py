"""The comparison of methods on the untouched test set: the only step, but for the profile on test, that asks for test
records; it selects nothing."""

from subtuning.errors import UserError
from subtuning.runs.identity import Run, Split
from subtuning.search.experiments import greedy
from subtuning.search.select import select
from subtuning.search.study import Settings, Step, Study, Wanted

ALWAYS = {"linear": "linear", "best_layer": "best", "greedy": "greedy", "full": "full"}
"""The methods of every comparison -> what each trains."""


def names(settings: Settings) -> list[str]:
    """One step."""
    return ["evaluation"]


def step(name: str, settings: Settings) -> Step:
    """Train every method on train + val with several seeds and test each run once, at its last epoch."""
    reads = (*greedy.READS, "evaluate.seeds", "evaluate.subsets")
    return Step(name, ("greedy",), reads, ("train_evaluation", "evaluation_table"), _wanted)


def methods(study: Study) -> dict[str, str]:
    """Each method by name, and the words for its layers."""
    return ALWAYS | study.settings["evaluate.subsets"]


def runs_of(study: Study, written: str) -> list[Run] | None:
    """A method's runs, one a seed; None where its layers are not known yet.

    Raises:
        UserError: they will never be known.
    """
    tuning = select(written, study)
    return study.runs([tuning], [Split("test")], study.settings["evaluate.seeds"]) if tuning else None


def _wanted(study: Study) -> Wanted:
    found = Wanted()
    for name, written in methods(study).items():
        try:
            runs = runs_of(study, written)
        except UserError as error:
            found.trouble, runs = f"method {name!r}: {error}", None
        found.runs += [run for run in runs or [] if run not in found.runs]
        found.later += [Split("test")] * study.settings["evaluate.seeds"] if runs is None else []
    return found
