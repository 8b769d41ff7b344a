"""How a layer is trained: one file for each way, found by its name (see `subtuning.registry`).

A file has two functions, and may have a third:

    adapt(layer, **options) -> Adapted    the layer's own copy, changed as this way of training wants it
    merge(layer) -> nn.Module             the trained layer as a module with plain weights that computes the same
    chosen(tensors, **options) -> list    the names of those of a layer's parameters that it trains or changes

The names and default values of `adapt`'s keyword arguments are the options that a user may give. What `adapt` draws
from torch's generator of the CPU follows from the run's seed and the layer's name. `chosen` says beforehand which
layers have nothing for this way of training; without it, all are taken to have something.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from torch import nn

from subtuning.errors import UserError, listed
from subtuning.registry import find
from subtuning.tuning.tuning import FULL, WEIGHTS, How, Tuning

Tensors = Mapping[str, Sequence[int]]
"""A layer's parameters: their names in the model, and their shapes."""


class Adapted(NamedTuple):
    """A layer that is ready to be trained.

    Attributes:
        module: takes the layer's place; the same inputs and outputs.
        parameters: those of its parameters that are trained; all others are frozen.
        trains_batchnorm: whether its BatchNorms use the statistics of each batch in training, and update theirs;
            if not, they use the pretrained ones, as in frozen layers, and so do those whose parameters are all frozen.
    """

    module: nn.Module
    parameters: list[nn.Parameter]
    trains_batchnorm: bool


class Adapter(Protocol):
    """What a file of this folder is."""

    def adapt(self, layer: nn.Module, /, **options: float | str) -> Adapted:
        """The layer, ready to be trained."""

    def merge(self, layer: nn.Module, /) -> nn.Module:
        """The trained layer with plain weights."""


def adapter_of(how: How) -> Adapter:
    """The adapter of this name. Raises `UserError` if there is none, or none with these options."""
    adapter: Adapter = find("adapters", how.name)
    _, *known = inspect.signature(adapter.adapt).parameters.values()
    defaults = {option.name: option.default for option in known}
    for key, value in how.options:
        if key not in defaults:
            there = f"its options are {listed(list(defaults))}" if defaults else "it has no options"
            raise UserError(f"{how}: {how.name} has no option {key!r}; {there}")
        if isinstance(value, str) != isinstance(defaults[key], str):
            kind = "a word" if isinstance(defaults[key], str) else "a number"
            raise UserError(f"{how}: {key} must be {kind}, such as {key}={defaults[key]}")
    return adapter


def tensors_of(layer: nn.Module) -> Tensors:
    """The layer's parameters."""
    return {name: tuple(parameter.shape) for name, parameter in layer.named_parameters()}


def finds(how: How, tensors: Tensors) -> bool:
    """Whether a layer with these parameters has something for this way of training. Raises `UserError` for wrong
    options."""
    chosen: Any = getattr(adapter_of(how), "chosen", None)
    return chosen is None or bool(chosen(tensors, **dict(how.options)))


def adapted_layers(tuning: Tuning, layers: Mapping[str, Tensors]) -> tuple[str, ...]:
    """The layers that a tuning trains, in network order.

    Of `full`, layers that have nothing for this way of training stay frozen, as the embedding does with `attention`.

    Args:
        layers: all layers of the network and their parameters, in network order.

    Raises:
        UserError: a layer that was named has nothing for this way of training, or no layer of `full` has.
    """
    wanted = tuning.of(list(layers))
    if tuning.how == WEIGHTS:
        return wanted
    found = tuple(name for name in wanted if finds(tuning.how, layers[name]))
    if tuning.layers == FULL and found:
        return found
    if idle := [name for name in wanted if name not in found]:
        where = "no layer of this backbone" if tuning.layers == FULL else f"layer {idle[0]!r}"
        raise UserError(
            f"{tuning}: {where} has nothing that {tuning.how} trains; "
            + ("train it" if tuning.layers == FULL else "leave the layer out, or train it")
            + " in another way"
        )
    return found


def part(layer: nn.Module, names: Sequence[str], trains_batchnorm: bool) -> Adapted:
    """The layer as it is, of which the parameters of these names are trained."""
    parameters = dict(layer.named_parameters())
    return Adapted(layer, [parameters[name] for name in names], trains_batchnorm)
