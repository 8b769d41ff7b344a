"""Depthwise convolutions that pad their small kernel instead of their large input."""

import torch.nn.functional as F
from timm.layers import Conv2dSame
from timm.layers.padding import pad_same_arg
from torch import Tensor

from subtuning.tuning.depthwise import convolve


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
