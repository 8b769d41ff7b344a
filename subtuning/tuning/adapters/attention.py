"""The attention of a block is trained, all weights of it (Touvron et al., arXiv 2203.09795, section 4)."""

from torch import nn

from subtuning.tuning.adapters import Adapted, Tensors, part, tensors_of
from subtuning.tuning.parts import is_in


def chosen(tensors: Tensors) -> list[str]:
    """What is in modules that timm calls attention (see `subtuning.tuning.parts`), their own norms included."""
    return [name for name in tensors if is_in(name, "attention")]


def adapt(layer: nn.Module) -> Adapted:
    """The layer as it is; a BatchNorm inside of the attention trains as it does in `weights`."""
    return part(layer, chosen(tensors_of(layer)), trains_batchnorm=True)


def merge(layer: nn.Module) -> nn.Module:
    """The layer: its weights are plain."""
    return layer
