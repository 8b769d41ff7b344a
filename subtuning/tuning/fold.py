"""Fewer operations in frozen layers: a convolution followed by a BatchNorm in eval mode is one convolution."""

import copy

from torch import nn
from torch.fx import GraphModule
from torch.nn.utils.fusion import fuse_conv_bn_weights

from subtuning.tuning.convolutions import PLAIN
from subtuning.tuning.overwrite import overwrite
from subtuning.tuning.replace import replace_module


def fold(module: nn.Module) -> nn.Module:
    """A copy of a frozen graph module in which each Conv2d + BatchNorm2d pair is one Conv2d; equal up to rounding.

    ReLUs write over what only they read (see `overwrite`).
    """
    if not isinstance(module, GraphModule):
        return module
    module = copy.deepcopy(module)
    submodules = dict(module.named_modules())
    for node in list(module.graph.nodes):
        if node.op != "call_module" or len(node.all_input_nodes) != 1:
            continue
        norm, before = submodules[node.target], node.all_input_nodes[0]
        convolution = submodules.get(before.target) if before.op == "call_module" else None
        if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None or norm.running_var is None:
            continue
        if not isinstance(convolution, nn.Conv2d) or type(convolution) not in PLAIN or len(before.users) > 1:
            continue
        weight, bias = fuse_conv_bn_weights(
            convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        convolution.weight, convolution.bias = weight, bias
        # timm's BatchNormAct2d holds the activation that follows it; dropout is off in a frozen layer
        replace_module(module, node.target, getattr(norm, "act", None) or nn.Identity())
    overwrite(module)
    module.requires_grad_(False)
    return module.eval()
