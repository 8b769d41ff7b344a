"""What of a network is trained, as a value: which layers, and how. No torch here."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from subtuning.errors import UserError, did_you_mean, listed

FULL: Literal["full"] = "full"
"""Every layer is trained, stem and tail included."""

LINEAR = "linear"
"""No layer is trained, only the head: linear probing."""


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WORD = re.compile(r"[A-Za-z_*?][A-Za-z0-9_.*?-]*")


@dataclass(frozen=True)
class How:
    """How a layer is trained: an adapter (`subtuning.tuning.adapters`) and its options.

    Attributes:
        name: `weights` (all weights of the layer), or another adapter's name.
        options: name and value of each option, a number or a word, sorted by name.
    """

    name: str = "weights"
    options: tuple[tuple[str, float | str], ...] = ()

    def __str__(self) -> str:
        options = ", ".join(f"{key}={_printed(value)}" for key, value in self.options)
        return f"{self.name}({options})" if options else self.name

    @classmethod
    def parse(cls, text: str) -> "How":
        """From the printed form, such as `weights` or `lora(on=attention, rank=4)`. Raises `UserError`."""
        found = re.fullmatch(r"\s*([a-z_][a-z0-9_]*)\s*(?:\(([^()]*)\))?\s*", text)
        parts = [part.partition("=") for part in ((found and found[2]) or "").split(",") if part.strip()]
        options = {key.strip(): _read(value.strip()) for key, _, value in parts}
        if not found or None in options.values() or len(options) < len(parts):
            raise UserError(f"{text!r} does not say how layers are trained; write it as weights or as lora(rank=4)")
        return cls(found[1], tuple(sorted((key, value) for key, value in options.items() if value is not None)))


def _read(text: str) -> float | str | None:
    """An option's value; None for what is neither a number nor a word."""
    if _NUMBER.fullmatch(text):
        value = float(text)
        return int(value) if value.is_integer() else value
    return text if _WORD.fullmatch(text) else None


def _printed(value: float | str) -> str:
    """As `_read` reads it: short where that is exact."""
    short = value if isinstance(value, str) else f"{value:g}"
    return short if _read(short) == value else repr(value)


WEIGHTS = How()


@dataclass(frozen=True)
class Tuning:
    """What of a network is trained, besides the head, which always is.

    Attributes:
        layers: names in network order, none for linear probing, or `FULL`.
        how: what is trained of these layers; the default where there are none.
    """

    layers: tuple[str, ...] | Literal["full"] = ()
    how: How = field(default=WEIGHTS)

    def __post_init__(self) -> None:
        if not self.layers:  # one training, whatever would be done to layers
            object.__setattr__(self, "how", WEIGHTS)

    def __str__(self) -> str:
        """The one printed name, which `parse` reads: `linear`, `full`, `a+b`, `a+b with lora(rank=4)`."""
        layers = self.layers if isinstance(self.layers, str) else "+".join(self.layers) or LINEAR
        return layers if self.how == WEIGHTS else f"{layers} with {self.how}"

    @property
    def size(self) -> int | None:
        """How many layers are trained, None for all."""
        return None if self.layers == FULL else len(self.layers)

    def of(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of all layers' `names`, in network order, that are trained."""
        return tuple(names) if self.layers == FULL else tuple(name for name in names if name in self.layers)

    def with_layers(self, layers: Iterable[str], names: Sequence[str]) -> "Tuning":
        """The same way of training for other layers, brought into the order of all layers' `names`."""
        return Tuning(tuple(name for name in names if name in set(layers)), self.how)

    def plain(self) -> dict[str, Any]:
        """What a record's identity holds; the keys are those of the first version, so that its runs stay valid."""
        subset = self.layers if isinstance(self.layers, str) else list(self.layers)
        return {"subset": subset, "method": str(self.how)}

    @classmethod
    def of_identity(cls, identity: Mapping[str, Any]) -> "Tuning":
        """From a record's identity."""
        subset = identity["subset"]
        return cls(FULL if subset == FULL else tuple(subset), How.parse(identity["method"]))

    @classmethod
    def parse(cls, written: str | Iterable[str], names: Sequence[str]) -> "Tuning":
        """From what a user writes: the printed form, commas in place of + too, or a list of layers.

        Args:
            names: all layers of the backbone in network order, `stem` and `tail` included.

        Raises:
            UserError: a name that is no layer of this backbone, or a way of training that cannot be read.
        """
        text, _, how = written.partition(" with ") if isinstance(written, str) else ("", "", "")
        words = [word.strip() for word in re.split("[,+]", text)] if isinstance(written, str) else list(written)
        means = How.parse(how) if how else WEIGHTS
        if words == [FULL]:
            return cls(FULL, means)
        wanted = [] if words == [LINEAR] else words
        unknown = [name for name in sorted(wanted) if name not in names]
        if unknown:
            hint = did_you_mean(unknown[0], names) or f"; its layers are {listed(names, 40)}"
            inside = [name for name in names if name.startswith(f"{unknown[0]}.")]
            if inside:
                raise UserError(
                    f"{unknown[0]!r} is a stage; name its layers: {listed(inside)} (or: stage {unknown[0]})"
                )
            raise UserError(f"layer {unknown[0]!r} is not in this backbone{hint}")
        return cls(tuple(name for name in names if name in wanted), means)


ONLY_HEAD, EVERYTHING = Tuning(), Tuning(FULL)
"""Linear probing and full fine-tuning, which every table compares with."""
