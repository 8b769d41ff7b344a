"""The comparison of methods on the untouched test set: the only step, but for the profile on test, that asks for test
records; it selects nothing."""

from subtuning.errors import UserError
from subtuning.runs.identity import Run, Split
from subtuning.search.experiments import tune
from subtuning.search.methods import methods
from subtuning.search.study import Settings, Step, Study, Wanted


def names(settings: Settings) -> list[str]:
    """One step."""
    return ["evaluation"]


def step(name: str, settings: Settings) -> Step:
    """Train every method on train + val with several seeds and test each run once, at its last epoch."""
    after = tuple(tune.names(settings)) or tune.before(settings)
    return Step(name, after, (*tune.READS, "evaluate.seeds"), ("train_evaluation", "evaluation_table"), _wanted)


def runs_of(study: Study, name: str) -> list[Run] | None:
    """A method's runs, one a seed; None where its layers or its recipe are not known yet.

    Raises:
        UserError: they will never be known.
    """
    point = tune.chosen(study, name)
    seeds = study.settings["evaluate.seeds"]
    return study.runs([point.tuning], [Split("test")], seeds, point.changes) if point else None


def _wanted(study: Study) -> Wanted:
    found = Wanted()
    for name in methods(study.settings):
        try:
            runs = runs_of(study, name)
        except UserError as error:
            found.trouble, runs = str(error), None
        found.runs += [run for run in runs or [] if run not in found.runs]
        found.later += [Split("test")] * study.settings["evaluate.seeds"] if runs is None else []
    return found
