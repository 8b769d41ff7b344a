"""`last 2`: the last layers of those one may choose from."""

from subtuning.search.selectors._words import count
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning


def select(study: Study, *words: str) -> Tuning:
    """The last k. Raises `UserError` for anything but one number of layers that there are."""
    return Tuning(tuple(study.candidates[-count(words, len(study.candidates), "last K") :]))
