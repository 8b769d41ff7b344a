"""The comparison of methods on the untouched test set: the only step, but for the profile on test, that asks for test
records; it selects nothing."""

from subtuning.errors import UserError
from subtuning.runs.identity import Run, Split
from subtuning.search.experiments import greedy
from subtuning.search.select import select
from subtuning.search.study import Settings, Step, Study, Wanted
from subtuning.tuning.tuning import Tuning

ALWAYS = {"linear": "linear", "best_layer": "best", "greedy": "greedy", "full": "full"}
"""The methods of every comparison -> what each trains."""


def names(settings: Settings) -> list[str]:
    """One step."""
    return ["evaluation"]


def step(name: str, settings: Settings) -> Step:
    """Train every method on train + val with several seeds and test each run once, at its last epoch."""
    reads = (*greedy.READS, "evaluate.seeds", "evaluate.subsets")
    return Step(name, ("greedy",), reads, ("train_evaluation", "evaluation_table"), _wanted)


def methods(study: Study) -> dict[str, Tuning | None]:
    """Each method by name, None where its layers are not known yet. Raises `UserError` where they will never be."""
    return {name: select(written, study) for name, written in (ALWAYS | study.settings["evaluate.subsets"]).items()}


def runs_of(study: Study, tuning: Tuning) -> list[Run]:
    """A method's runs, one a seed."""
    return study.runs([tuning], [Split("test")], study.settings["evaluate.seeds"])


def _wanted(study: Study) -> Wanted:
    seeds = study.settings["evaluate.seeds"]
    try:
        found = methods(study)
    except UserError as error:
        return Wanted(later=[Split("test")] * seeds, trouble=str(error))
    known = list(dict.fromkeys(tuning for tuning in found.values() if tuning))
    unknown = sum(tuning is None for tuning in found.values())
    return Wanted(study.runs(known, [Split("test")], seeds), [Split("test")] * (seeds * unknown))
