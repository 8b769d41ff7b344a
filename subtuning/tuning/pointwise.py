"""1 x 1 convolutions with a stride over few channels, as in the stem of MobileOne, without a fault of torch."""

import torch.nn.functional as F
from torch import Tensor, nn


class Subsampled(nn.Conv2d):
    """Takes every second (or so) place of its input and convolves these without a stride: the same answers.

    For images whose channels lie last, torch 2.15 writes beyond its memory on a CPU in the strided one's gradient to
    the weights if there are fewer than 8 input channels, and the process ends or has wrong numbers.
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if input.device.type != "cpu":
            return super()._conv_forward(input, weight, bias)
        down, across = self.stride
        return F.conv2d(input[..., ::down, ::across], weight, bias)


def is_concerned(module: nn.Conv2d) -> bool:
    """Whether torch's fault concerns a convolution."""
    few = module.groups == 1 and module.kernel_size == (1, 1) and module.in_channels < 8
    return few and max(module.stride) > 1 and module.padding == (0, 0)
