"""Pairs: every two layers trained together (paper, section 3), by cross-validation; single layers are the profile's."""

from itertools import combinations

from subtuning.search.experiments import profile
from subtuning.search.experiments._options import options_of, with_singles
from subtuning.search.study import Settings, Step, Study, Wanted, candidates
from subtuning.tuning.tuning import Tuning


def names(settings: Settings) -> list[str]:
    """One step. Raises `UserError` for any options."""
    options_of(settings, "pairs", {})
    return ["pairs"]


def step(name: str, settings: Settings) -> Step:
    """Train all pairs."""
    reads = (*profile.READS, "experiments.pairs")
    return Step(name, ("profile",), reads, ("train_experiment", "experiment_table"), _wanted)


def tunings(study: Study) -> list[Tuning]:
    """L (L - 1) / 2 pairs of L layers, in network order."""
    return [Tuning(pair, study.how) for pair in combinations(candidates(study.layers, study.how), 2)]


def _wanted(study: Study) -> Wanted:
    return Wanted(with_singles(study, tunings(study)))
