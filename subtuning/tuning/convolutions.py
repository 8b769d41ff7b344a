"""Which convolutions of a network compute in a way of this project's own: faster, or without a fault of torch."""

from timm.layers import Conv2dSame
from torch import nn

from subtuning.tuning.depthwise import SmallImages
from subtuning.tuning.padding import PaddedKernel
from subtuning.tuning.pointwise import Subsampled, is_concerned
from subtuning.tuning.replace import replace_classes

PLAIN = (nn.Conv2d, Conv2dSame, PaddedKernel, SmallImages, Subsampled)
"""Kinds that use their weight as it is; weight standardisation would undo the folding of a norm."""


def replace_convolutions(module: nn.Module) -> nn.Module:
    """Give a network's convolutions these classes; their tensors and, to rounding, their answers stay."""
    return replace_classes(module, _class_of)


def _class_of(module: nn.Module) -> type[nn.Module] | None:
    if not isinstance(module, nn.Conv2d):
        return None
    depthwise = {Conv2dSame: PaddedKernel, nn.Conv2d: SmallImages}
    if module.groups > 1:
        return depthwise.get(type(module))
    return Subsampled if type(module) is nn.Conv2d and is_concerned(module) else None
