"""Only biases are trained; BatchNorm keeps its pretrained statistics."""

from torch import nn

from subtuning.tuning.adapters import Adapted


def adapt(layer: nn.Module) -> Adapted:
    """The layer as it is, of which the biases are trained."""
    biases = [parameter for name, parameter in layer.named_parameters() if name.endswith("bias")]
    return Adapted(layer, biases, trains_batchnorm=False)


def merge(layer: nn.Module) -> nn.Module:
    """The layer: its weights are plain."""
    return layer
