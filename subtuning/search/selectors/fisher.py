"""`fisher 2`: the layers with the largest mean squared gradients while the head begins to learn."""

from subtuning.search.rankings import top
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning


def select(study: Study, *words: str) -> Tuning | None:
    """The k layers with the highest scores. Raises `UserError` as `search.rankings.top`."""
    return top(study, "fisher", words)
