"""When, and how fast, the trained layers of a run learn: one file for each strategy, found by its name.

A file has one function, and may have others (see `subtuning.registry`):

    scales(now, state) -> scales of the learning rate, one for each of `now.layers`; asked before every step
    observe(now, parameters, state) -> None: sees the gradients of every step, before they are applied, and notes in
        `state` what `scales` shall know; `scales` is then asked again for this step
    shown(now, state) -> {name: number}: after each epoch, what the record's curve shall hold

A layer whose scale is 0 is frozen in this step: no gradients, no weight decay, no momentum, and its BatchNorms use and
keep the statistics that they have. The head's scale is 1, always. A run that trains the head alone has no layers to
scale, and no strategy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

State = dict[str, Any]
"""What a strategy remembers of a run: numbers, lists and tensors. Empty at first, and kept in checkpoints."""


@dataclass(frozen=True)
class Moment:
    """Where a training is.

    Attributes:
        layers: the layers that the run trains, in network order.
        step: the step that is about to be done, from 0, out of `steps`.
        epoch_steps: steps an epoch.
    """

    layers: tuple[str, ...]
    step: int
    steps: int
    epoch_steps: int


class Strategy(Protocol):
    """What a file of this folder is; `observe` is left out here, since a file need not have it."""

    def scales(self, now: Moment, state: State, /) -> Sequence[float]:
        """The scale of each layer's learning rate, 0 for one that rests."""
