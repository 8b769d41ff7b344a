"""Subsets of layers: which ones a user may name, and their one canonical form. No torch here."""

from collections.abc import Iterable, Sequence

from subtuning.errors import UserError, did_you_mean, listed

FULL = "full"
"""Every parameter is trained, stem and tail included."""

Subset = tuple[str, ...] | str
"""Layer names in network order (empty = linear probing, only the head is trained), or `FULL`."""


def canonical(subset: Iterable[str] | str, layers: Sequence[str]) -> Subset:
    """Bring a subset into network order without repetitions.

    Args:
        subset: layer names, or the words `linear` or `full`.
        layers: all names of the backbone's layers in network order, `stem` and `tail` included.

    Raises:
        UserError: a name that is no layer of this backbone.
    """
    words = [name.strip() for name in subset.split(",")] if isinstance(subset, str) else list(subset)
    if words == [FULL]:
        return FULL
    wanted = set() if words == ["linear"] else set(words)
    unknown = [name for name in sorted(wanted) if name not in layers]
    if unknown:
        hint = did_you_mean(unknown[0], layers) or f"; its layers are {listed(layers, 40)}"
        raise UserError(f"layer {unknown[0]!r} is not in this backbone{hint}")
    return tuple(name for name in layers if name in wanted)


def title(subset: Subset) -> str:
    """A short name for people: `linear`, `full`, or the layers joined with `+`."""
    return subset if isinstance(subset, str) else "+".join(subset) or "linear"
