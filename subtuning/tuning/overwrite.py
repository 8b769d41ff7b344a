"""ReLUs of frozen layers that write over what only they read: the same numbers in less memory."""

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from subtuning.tuning.replace import replace_module


class OverwritingReLU6(nn.Module):
    """ReLU6 in place, of which only the result is kept for the gradient.

    torch's own in-place ReLU6 keeps a copy of its input for that (ReLU does not), which costs more than it saves.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; `x` itself is changed and returned."""
        return _ReLU6.apply(x)


class _ReLU6(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        F.hardtanh_(x, 0.0, 6.0)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (result,) = ctx.saved_tensors  # strictly between 0 and 6 exactly where the input was
        return torch.ops.aten.hardtanh_backward(grad, result, 0.0, 6.0)


def overwrite(module: GraphModule) -> None:
    """Let each ReLU and ReLU6 that alone reads a convolution's result or a sum write over it.

    Gradients of convolutions and sums do not need their results, so nobody else does.
    """
    submodules = dict(module.named_modules())
    reads: dict[str, list[Node]] = {}
    for node in module.graph.nodes:
        if node.op == "call_module" and type(submodules[str(node.target)]) in (nn.ReLU, nn.ReLU6):
            reads.setdefault(str(node.target), []).append(node.all_input_nodes[0])
    for path, values in reads.items():
        if all(_is_read_once(value, submodules) for value in values):
            plain = type(submodules[path]) is nn.ReLU
            replace_module(module, path, nn.ReLU(inplace=True) if plain else OverwritingReLU6())


def _is_read_once(node: Node, submodules: dict[str, nn.Module]) -> bool:
    """Whether a value is the result of a convolution or a sum, and has one reader."""
    while len(node.users) == 1 and node.op == "call_module" and type(submodules[str(node.target)]) is nn.Identity:
        node = node.all_input_nodes[0]  # a folded BatchNorm
    if len(node.users) != 1:
        return False
    if node.op == "call_function":
        return node.target in (operator.add, operator.iadd, torch.add)
    return node.op == "call_module" and isinstance(submodules[str(node.target)], nn.Conv2d)
