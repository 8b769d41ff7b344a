"""`last 2`: the last layers of those one may choose from."""

from subtuning.errors import UserError
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning


def select(study: Study, *words: str) -> Tuning:
    """The last k. Raises `UserError` for anything but one number of layers that there are."""
    count = int(words[0]) if len(words) == 1 and words[0].isdecimal() else 0
    if not 1 <= count <= len(study.candidates):
        raise UserError(f"'last {' '.join(words)}': write last K, with K from 1 to {len(study.candidates)}")
    return Tuning(tuple(study.candidates[-count:]))
