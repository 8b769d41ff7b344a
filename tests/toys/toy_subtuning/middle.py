"""`middle`: the layer in the middle of those one may choose from."""

from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning


def select(study: Study) -> Tuning:
    """The one layer."""
    return Tuning((study.candidates[len(study.candidates) // 2],))
