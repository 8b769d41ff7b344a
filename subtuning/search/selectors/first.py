"""`first 2`: the first layers of those one may choose from, which are nearest to the image."""

from subtuning.search.selectors._words import count
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning


def select(study: Study, *words: str) -> Tuning:
    """The first k. Raises `UserError` for anything but one number of layers that there are."""
    return Tuning(tuple(study.candidates[: count(words, len(study.candidates), "first K")]))
