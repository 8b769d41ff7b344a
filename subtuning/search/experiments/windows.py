"""Windows: so many neighbouring layers trained together (paper, section 3), by cross-validation."""

from subtuning.errors import UserError
from subtuning.search.experiments import profile
from subtuning.search.experiments._options import options_of, whole_numbers, with_singles
from subtuning.search.study import Settings, Step, Study, Wanted, candidates
from subtuning.tuning.tuning import Tuning

OPTIONS = {"sizes": ([2, 3], lambda value: whole_numbers(value, 2), "a list of whole numbers from 2, such as [2, 3]")}


def names(settings: Settings) -> list[str]:
    """One step. Raises `UserError` for other options than `sizes`."""
    options_of(settings, "windows", OPTIONS)
    return ["windows"]


def step(name: str, settings: Settings) -> Step:
    """Train every window of every size."""
    reads = (*profile.READS, "experiments.windows")
    return Step(name, ("profile",), reads, ("train_experiment", "experiment_table"), _wanted)


def tunings(study: Study) -> list[Tuning]:
    """The windows of each size in network order.

    Raises:
        UserError: a size with which there is no window.
    """
    layers, sizes = candidates(study.layers, study.how), options_of(study.settings, "windows", OPTIONS)["sizes"]
    if max(sizes) > len(layers):
        raise UserError(f"experiments.windows.sizes has {max(sizes)}, but there are only {len(layers)} layers")
    return [Tuning(tuple(layers[i : i + size]), study.how) for size in sizes for i in range(len(layers) - size + 1)]


def _wanted(study: Study) -> Wanted:
    try:
        return Wanted(with_singles(study, tunings(study)))
    except UserError as error:
        return Wanted(trouble=str(error))
