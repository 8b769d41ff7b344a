"""Low-rank changes of weight matrices and kernels are trained (LoRA, Hu et al., arXiv 2106.09685, section 4.1)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from subtuning.errors import UserError
from subtuning.tuning.adapters import Adapted, Tensors, tensors_of
from subtuning.tuning.merging import reparametrize, with_plain_weights
from subtuning.tuning.parts import is_in


class LowRank(nn.Module):
    """W + alpha / rank x B A, where W is seen as a matrix of a row for each output (of a kernel: its whole filter).

    A is drawn as in the authors' code and B is zero, so that it begins as W. The change is added to W in full
    precision, so a merged layer computes exactly what the unmerged one does.
    """

    def __init__(self, weight: Tensor, rank: int, scale: float):
        super().__init__()
        rows, columns = weight.flatten(1).shape
        rank = min(rank, rows, columns)
        down = torch.empty(rank, columns, dtype=weight.dtype)
        nn.init.kaiming_uniform_(down, a=math.sqrt(5))
        self.down = nn.Parameter(down.to(weight.device))
        self.up = nn.Parameter(weight.new_zeros(rows, rank))
        self.scale = scale

    def forward(self, weight: Tensor) -> Tensor:
        """The changed weight, in the shape of `weight`."""
        with torch.autocast(weight.device.type, enabled=False):
            return weight + self.scale * (self.up @ self.down).view(weight.shape)


def chosen(tensors: Tensors, rank: float = 4, alpha: float = 8, on: str = "all") -> list[str]:
    """The matrices and kernels of a part of the layer; the options are those of `adapt`. Raises `UserError`."""
    if rank != int(rank) or rank < 1:
        raise UserError(f"lora: rank is {rank}; it must be a whole number, 1 or more")
    if alpha <= 0:
        raise UserError(f"lora: alpha is {alpha}; it must be a number above 0")
    return [
        name for name, shape in tensors.items() if name.endswith("weight") and _is_matrix(shape) and is_in(name, on)
    ]


def adapt(layer: nn.Module, rank: float = 4, alpha: float = 8, on: str = "all") -> Adapted:
    """Beside each weight matrix or kernel a low-rank change.

    A fused projection (qkv) is one matrix, whose three parts share A. The filters of a grouped convolution are its
    rows, so that its groups share A; a depthwise one learns `rank` filters and what each channel takes of them. A rank
    above that of the matrix is lowered to it. BatchNorm keeps its pretrained statistics.

    Args:
        rank: of the change; the scale stays `alpha` / `rank`.
        alpha: how strongly it counts; at a fixed alpha, one learning rate serves several ranks.
        on: which weights: `all`, `attention`, `mlp`, or those below modules of a name such as `qkv` or `fc*`.
    """
    parameters, changes = dict(layer.named_parameters()), []
    for name in chosen(tensors_of(layer), rank, alpha, on):
        changes.append(LowRank(parameters[name].detach(), int(rank), alpha / rank))
        reparametrize(layer, name, changes[-1])
    return Adapted(layer, [p for change in changes for p in change.parameters()], trains_batchnorm=False)


def merge(layer: nn.Module) -> nn.Module:
    """The layer with its changes added to its weights."""
    return with_plain_weights(layer)


def _is_matrix(shape: Sequence[int]) -> bool:
    return len(shape) > 1 and shape[0] > 1 and math.prod(shape[1:]) > 1
