"""Depthwise convolutions that a CPU computes faster; with SAME padding they pad the small kernel, not the input."""

import torch.nn.functional as F
from timm.layers import Conv2dSame
from timm.layers.padding import pad_same_arg
from torch import Tensor, nn

from subtuning.tuning.depthwise import SmallImages, convolve
from subtuning.tuning.pointwise import Subsampled, needs_subsampling
from subtuning.tuning.replace import replace_classes


class PaddedKernel(Conv2dSame):
    """TensorFlow's SAME padding, where the end gets up to one more row and column than the start, without a copy.

    Both sides are padded as the end is, and the kernel gets a row and column of zeros where its start must not see
    them: the same sums. On a CPU a strided depthwise step takes 0.5 to 0.7 of the time (docs/performance.md);
    elsewhere, and for dilated kernels, timm's own code runs.
    """

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W to N x C' x H' x W'."""
        if x.device.type != "cpu" or max(self.dilation) > 1:
            return super().forward(x)
        left, right, top, bottom = pad_same_arg([*x.shape[-2:]], [*self.kernel_size], [*self.stride])
        kernel = F.pad(self.weight, (right - left, 0, bottom - top, 0))
        return convolve(x, kernel, self.bias, self.stride, (bottom, right), self.groups)


def replace_convolutions(module: nn.Module) -> nn.Module:
    """Let its depthwise convolutions compute faster, and some 1 x 1 ones without torch's fault; its weights stay."""
    return replace_classes(module, _faster)


def _faster(module: nn.Module) -> type[nn.Module] | None:
    if not isinstance(module, nn.Conv2d):
        return None
    if module.groups == 1:
        return Subsampled if type(module) is nn.Conv2d and needs_subsampling(module) else None
    return {Conv2dSame: PaddedKernel, nn.Conv2d: SmallImages}.get(type(module))
