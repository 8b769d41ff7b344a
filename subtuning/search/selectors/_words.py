"""What selectors share in reading their words."""

from collections.abc import Sequence

from subtuning.errors import UserError


def count(words: Sequence[str], most: int, usage: str, written: Sequence[str] = ()) -> int:
    """The one number of layers that is written, from 1 to `most`.

    Args:
        usage: the selector as it should be written, such as `last K`.
        written: all words after the selector's name; those of `words` if left out.

    Raises:
        UserError: anything else is written.
    """
    found = int(words[0]) if len(words) == 1 and words[0].isdecimal() else 0
    if not 1 <= found <= most:
        name = usage.split()[0]
        raise UserError(f"'{' '.join([name, *(written or words)])}': write {usage}, with K from 1 to {most}")
    return found
