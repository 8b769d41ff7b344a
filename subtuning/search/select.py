"""From a user's words for layers to what is trained."""

from subtuning.errors import UserError, listed
from subtuning.registry import find, names_of
from subtuning.search.study import Study
from subtuning.tuning.tuning import FULL, LINEAR, How, Tuning


def select(written: str, study: Study) -> Tuning | None:
    """What words for layers mean in a study; None where that depends on runs that are not finished.

    Args:
        written: the printed name of a tuning (`a+b`, `a+b with lora(rank=4)`), or a selector and its words (`last 2`,
            `last 2 with lora(rank=4)`).

    Raises:
        UserError: neither layers of this backbone nor a selector, or words that the selector does not take.
    """
    text, _, how = written.partition(" with ")
    name, *words = text.split() or [""]
    plain = set(text) & set("+,") or name in (FULL, LINEAR, *study.names)
    if not plain and name in names_of("selectors"):
        chosen = find("selectors", name).select(study, *words)
        return chosen and Tuning(chosen.layers, How.parse(how) if how else chosen.how)
    if not plain and words:
        raise UserError(
            f"{written!r} names no layers and no selector; the selectors are {listed(names_of('selectors'))}"
        )
    return Tuning.parse(written, study.names)
