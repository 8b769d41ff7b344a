"""Weights that are computed from others while they are trained (`torch.nn.utils.parametrize`), made plain again."""

import copy

from torch import nn
from torch.nn.utils import parametrize


def reparametrize(layer: nn.Module, name: str, by: nn.Module) -> None:
    """Let `by` compute the parameter of this name from the one that is there, whenever it is used."""
    path, _, tensor = name.rpartition(".")
    parametrize.register_parametrization(layer.get_submodule(path), tensor, by)


def with_plain_weights(layer: nn.Module) -> nn.Module:
    """A copy of a layer in which every computed parameter is one that holds the same values."""
    plain = copy.deepcopy(layer)
    for module in list(plain.modules()):
        if parametrize.is_parametrized(module):
            _make_plain(module)
    return plain


def _make_plain(module: nn.Module) -> None:
    """As `parametrize.remove_parametrizations`, which would also change the module that this one is a copy of, since
    both have the one class that computes their parameters."""
    computed = module.get_submodule("parametrizations")
    values = {name: getattr(module, name).detach().clone() for name, _ in computed.named_children()}
    module.__class__ = parametrize.type_before_parametrizations(module)
    del module.parametrizations
    for name, value in values.items():
        module.register_parameter(name, nn.Parameter(value))
