"""`window layer2.1 3`: so many layers in a row, from this one on; `window 4 3` counts layers from 1."""

from subtuning.errors import UserError, did_you_mean
from subtuning.search.selectors._words import count
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning


def select(study: Study, *words: str) -> Tuning:
    """K layers in network order, of those one may choose from.

    Raises:
        UserError: no such layer, or fewer layers than that from there on.
    """
    names = study.candidates
    first, *rest = words or [""]
    if first in names:
        start = names.index(first)
    elif first.isdecimal() and 1 <= int(first) <= len(names):
        start = int(first) - 1
    else:
        hint = did_you_mean(first, names) or f"; write window LAYER K, LAYER a name or 1 to {len(names)}"
        raise UserError(f"'{' '.join(['window', *words])}': there is no layer {first!r} to begin with{hint}")
    return Tuning(tuple(names[start : start + count(rest, len(names) - start, "window LAYER K", words)]))
