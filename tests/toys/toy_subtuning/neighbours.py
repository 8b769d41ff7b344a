"""Neighbours: so many neighbouring layers trained together, by cross-validation."""

from subtuning.errors import UserError
from subtuning.search.experiments import profile
from subtuning.search.study import Settings, Step, Study, Wanted, cv_splits
from subtuning.tuning.tuning import Tuning


def names(settings: Settings) -> list[str]:
    """One step. Raises `UserError` for other options than a size of 2 or more."""
    options = settings["experiments.neighbours"]
    if options.keys() != {"size"} or not isinstance(options["size"], int) or options["size"] < 2:
        raise UserError(f"experiments.neighbours is {options}; it must be {{size: K}}, with K from 2")
    return ["neighbours"]


def step(name: str, settings: Settings) -> Step:
    """Every window of neighbours."""
    reads = (*profile.READS, "experiments.neighbours")
    return Step(name, ("profile",), reads, ("train_experiment", "experiment_table"), _wanted)


def pairs_of(study: Study) -> list[Tuning]:
    """In network order."""
    names, size = study.candidates, study.settings["experiments.neighbours"]["size"]
    return [Tuning(tuple(names[start : start + size])) for start in range(len(names) - size + 1)]


def _wanted(study: Study) -> Wanted:
    return Wanted(study.runs(pairs_of(study), cv_splits(study.settings["profile.folds"])))
