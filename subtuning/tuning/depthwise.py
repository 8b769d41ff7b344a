"""Depthwise convolutions on images smaller than their kernel, of whose weights' gradient torch has no fast CPU code."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class SmallImages(nn.Conv2d):
    """A depthwise convolution by `convolve`; its tensors and its answers stay."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if isinstance(self.padding, str) or self.padding_mode != "zeros" or max(self.dilation) > 1:
            return super()._conv_forward(input, weight, bias)
        return convolve(input, weight, bias, self.stride, self.padding, self.groups)


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int], groups: int
) -> Tensor:
    """`F.conv2d`; where a depthwise kernel is larger than the image and a CPU computes, with a gradient to the weights
    that sums products tap by tap.

    torch's own takes 2 to 17 times as long there (torch 2.15, float32, AVX2: docs/log/speed.md), and less where the
    image is as large as the kernel. The sums are the same, in another order.

    Args:
        x, weight: N x C x H x W and C x 1 x h x w.
    """
    depthwise = x.ndim == 4 and groups == len(weight) == x.shape[1]
    wanted = depthwise and all(k > side for k, side in zip(weight.shape[2:], x.shape[2:], strict=True))
    wanted = wanted and weight.requires_grad and torch.is_grad_enabled() and x.device.type == "cpu"
    if wanted and not torch.is_autocast_enabled("cpu"):
        return _ByTaps.apply(x, weight, bias, tuple(stride), tuple(padding))
    return F.conv2d(x, weight, bias, tuple(stride), tuple(padding), 1, groups)


class _ByTaps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride, padding) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.settings = stride, padding
        return F.conv2d(x, weight, bias, stride, padding, 1, len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight), (stride, padding) = ctx.saved_tensors, ctx.settings
        to_x, to_weight, to_bias = ctx.needs_input_grad[:3]
        others = ([len(weight)], stride, padding, [1, 1], False, [0, 0], len(weight), [to_x, False, to_bias])
        of_x, _, of_bias = torch.ops.aten.convolution_backward(gradient, x, weight, *others)
        of_weight = weight_gradient(x, gradient, weight.shape[2:], stride, padding) if to_weight else None
        return of_x, of_weight, of_bias, None, None


@torch.library.custom_op("subtuning::depthwise_weight_gradient", mutates_args=())
def weight_gradient(
    x: Tensor, gradient: Tensor, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]
) -> Tensor:
    """The gradient to C x 1 x h x w weights: for each of h x w taps, the sum over where it meets the image.

    An operator of its own, so that what it computes can be counted (`benchmark.timing.flops`).
    """
    x, gradient = x.permute(0, 2, 3, 1), gradient.permute(0, 2, 3, 1)  # channels last, as they lie in memory
    taps = x.new_zeros(*kernel, x.shape[3])
    meets = [
        [_meet(tap, *each) for tap in range(size)]
        for size, *each in zip(kernel, stride, padding, x.shape[1:3], gradient.shape[1:3], strict=True)
    ]
    for (i, (in_y, out_y)), (j, (in_x, out_x)) in product(*map(enumerate, meets)):
        torch.sum(x[:, in_y, in_x] * gradient[:, out_y, out_x], (0, 1, 2), out=taps[i, j])
    return taps.permute(2, 0, 1).unsqueeze(1).contiguous()


def _meet(tap: int, stride: int, padding: int, size: int, results: int) -> tuple[slice, slice]:
    """Along one side: the places of the image that a tap of the kernel sees, and the results that they go into."""
    first = max(0, -((tap - padding) // stride))
    last = min(results, (size - 1 + padding - tap) // stride + 1)
    begin = first * stride + tap - padding
    return slice(begin, begin + max(0, last - first) * stride, stride), slice(first, max(first, last))
