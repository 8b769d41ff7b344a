"""All weights are trained from a random start: the ablation that asks what pretraining of the layer is worth.

Kaplun et al., arXiv 2302.06354 (re-initialised layers).
"""

import torch
from torch import nn

from subtuning.tuning.adapters import Adapted, Tensors


def chosen(tensors: Tensors) -> list[str]:
    """All parameters."""
    return list(tensors)


def adapt(layer: nn.Module) -> Adapted:
    """The layer with weights drawn anew, the same for one seed whatever else is trained; its BatchNorms train too.

    Matrices and kernels are drawn as torch does for new ones, norms become 1 and 0 with fresh statistics, and tokens
    and tables of positions are drawn as timm does (truncated normal, 0.02). Scales of branches and temperatures keep
    their values: they say how strong a signal is, not what it holds.
    """
    place = next((parameter.device for parameter in layer.parameters()), None)
    layer.cpu()  # one seed gives the same numbers on every device
    with torch.no_grad():
        done = set()
        for path, module in layer.named_modules():
            reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
            if callable(reset):
                reset()
                done |= {f"{path}.{name}" for name, _ in module.named_parameters()}
        for name, parameter in layer.named_parameters():
            if name not in done:
                _draw(name, parameter)
    layer.to(place)
    return Adapted(layer, list(layer.parameters()), trains_batchnorm=True)


def merge(layer: nn.Module) -> nn.Module:
    """The layer: its weights are plain."""
    return layer


def _draw(name: str, parameter: nn.Parameter) -> None:
    """A parameter that a traced layer uses by itself, without the module that it was in."""
    is_matrix = sum(size > 1 for size in parameter.shape) > 1
    if name.endswith("bias") and not is_matrix:
        nn.init.zeros_(parameter)
    elif name.endswith("weight"):
        if is_matrix:
            nn.init.kaiming_uniform_(parameter, a=5**0.5)
        else:
            nn.init.ones_(parameter)
    elif is_matrix:
        nn.init.trunc_normal_(parameter, std=0.02)
