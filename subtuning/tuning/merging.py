"""Weights that are computed from others while they are trained (`torch.nn.utils.parametrize`), made plain again."""

import copy

import torch
from torch import nn
from torch.nn.utils import parametrize


def reparametrize(layer: nn.Module, name: str, by: nn.Module) -> None:
    """Let `by` compute the parameter of this name from the one that is there, whenever it is used."""
    path, _, tensor = name.rpartition(".")
    parametrize.register_parametrization(layer.get_submodule(path), tensor, by)


def with_plain_weights(layer: nn.Module) -> nn.Module:
    """A copy of a layer in which every computed parameter is one that holds the same values."""
    plain = copy.deepcopy(layer)
    with torch.no_grad():
        for module in list(plain.modules()):
            for name in list(getattr(module, "parametrizations", {})):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
    return plain
