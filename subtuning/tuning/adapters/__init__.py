"""How a layer is trained: one file for each way, found by its name (see `subtuning.registry`).

A file has two functions:

    adapt(layer, **options) -> Adapted    the layer's own copy, changed as this way of training wants it
    merge(layer) -> nn.Module             the trained layer as a module with plain weights that computes the same

The names and default values of `adapt`'s keyword arguments are the options that a user may give.
"""

import inspect
from typing import NamedTuple, Protocol

from torch import nn

from subtuning.errors import UserError, listed
from subtuning.registry import find
from subtuning.tuning.tuning import How


class Adapted(NamedTuple):
    """A layer that is ready to be trained.

    Attributes:
        module: takes the layer's place; the same inputs and outputs.
        parameters: those of its parameters that are trained; all others are frozen.
        trains_batchnorm: whether its BatchNorms use the statistics of each batch in training, and update theirs;
            if not, they use the pretrained ones, as in frozen layers.
    """

    module: nn.Module
    parameters: list[nn.Parameter]
    trains_batchnorm: bool


class Adapter(Protocol):
    """What a file of this folder is."""

    def adapt(self, layer: nn.Module, /, **options: float) -> Adapted:
        """The layer, ready to be trained."""

    def merge(self, layer: nn.Module, /) -> nn.Module:
        """The trained layer with plain weights."""


def adapter_of(how: How) -> Adapter:
    """The adapter of this name. Raises `UserError` if there is none, or none with these options."""
    adapter: Adapter = find("adapters", how.name)
    known = list(inspect.signature(adapter.adapt).parameters)[1:]
    if unknown := [key for key, _ in how.options if key not in known]:
        there = f"its options are {listed(known)}" if known else "it has no options"
        raise UserError(f"{how}: {how.name} has no option {unknown[0]!r}; {there}")
    return adapter
