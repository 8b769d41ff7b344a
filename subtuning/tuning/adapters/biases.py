"""The biases are trained, those of norms included (BitFit, Ben Zaken et al., arXiv 2106.10199, section 3)."""

from torch import nn

from subtuning.tuning.adapters import Adapted, Tensors, part, tensors_of


def chosen(tensors: Tensors) -> list[str]:
    """Every `bias`, as well as `q_bias`, `in_proj_bias` and the like; tables of position biases are none."""
    return [name for name in tensors if name.endswith("bias")]


def adapt(layer: nn.Module) -> Adapted:
    """The layer as it is; BatchNorm keeps its pretrained statistics, for only its bias is trained."""
    return part(layer, chosen(tensors_of(layer)), trains_batchnorm=False)


def merge(layer: nn.Module) -> nn.Module:
    """The layer: its weights are plain."""
    return layer
