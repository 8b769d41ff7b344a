"""All weights of the layer are trained, as in the paper."""

from torch import nn

from subtuning.tuning.adapters import Adapted


def adapt(layer: nn.Module) -> Adapted:
    """The layer as it is; its BatchNorms train too (the published code leaves trained layers in train mode)."""
    return Adapted(layer, list(layer.parameters()), trains_batchnorm=True)


def merge(layer: nn.Module) -> nn.Module:
    """The layer: its weights are plain."""
    return layer
