"""Cheap rankings of layers, compared with the profile: how much training could have been spared?"""

from subtuning.errors import UserError
from subtuning.search.experiments import profile
from subtuning.search.rankings import RANKINGS, are_used, run_of
from subtuning.search.study import Settings, Step, Study, Wanted


def names(settings: Settings) -> list[str]:
    """One step, if the config asks for it or a subset is chosen by a ranking. Raises `UserError` for any options."""
    if options := settings.get("experiments.rankings"):
        raise UserError(f"experiments.rankings is {options}; it has no options: write rankings: {{}}")
    return ["rankings"] if "experiments.rankings" in settings or are_used(settings) else []


def step(name: str, settings: Settings) -> Step:
    """Train the short runs."""
    return Step(name, ("profile",), profile.READS, ("train_experiment", "experiment_table"), _wanted)


def _wanted(study: Study) -> Wanted:
    return Wanted(list(dict.fromkeys(run_of(study, name) for name in RANKINGS)))
