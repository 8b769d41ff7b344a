"""The `.npz` files in which Google publishes Vision Transformers and BiT, read by timm's own loader, and checked.

timm's loader takes what it looks for and minds nothing else, so it is checked here that every parameter was set and
that nothing of the file was left.
"""

import math
import re
from pathlib import Path

import torch
from torch import Tensor, nn

from subtuning.backbones.checkpoints import read_checkpoint
from subtuning.errors import UserError, listed

ROOTS = ("opt/target/", "params/img/", "params/")
"""Where Flax keeps a network's values among an optimiser's or another network's (timm: `_load_weights` of ViT)."""

NOT_COUNTED = r"(^|/)(head|pre_logits)/|pos_?embed"
"""Classifiers, which are left out, and position tables, which are resampled to the model's size."""


def is_flax(tensors: dict[str, Tensor]) -> bool:
    """Whether names are Flax's paths, such as ``Transformer/encoderblock_0/LayerNorm_0/scale``."""
    return any(re.search(r"/(kernel|scale)$", name) for name in tensors)


def load_flax(network: nn.Module, path: Path, model: str) -> dict[str, Tensor]:
    """Load such a file into a network without classifier and return the network's state.

    Raises:
        UserError: timm has no loader for this model, or the file is for another one.
    """
    if not hasattr(network, "load_pretrained"):
        raise UserError(f"weights file {path}: timm reads such .npz files only for ViT and BiT models, not for {model}")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(math.nan)
    try:
        network.load_pretrained(str(path))
    except Exception as error:  # missing names, other shapes
        raise _unfit(path, model, str(error).partition("\n")[0] or type(error).__name__) from None
    if missing := [name for name, value in network.named_parameters() if value.isnan().all()]:
        raise _unfit(path, model, f"missing: {listed(missing)}")
    tensors = read_checkpoint(path)
    root = next((root for root in ROOTS if any(name.startswith(root) for name in tensors)), "")
    found = sum(v.numel() for k, v in tensors.items() if k.startswith(root) and not re.search(NOT_COUNTED, k))
    wanted = sum(v.numel() for k, v in network.named_parameters() if "pos_embed" not in k)
    if found != wanted:
        raise _unfit(path, model, f"it holds {found:,} values where the model has {wanted:,}")
    return network.state_dict()


def _unfit(path: Path, model: str, why: str) -> UserError:
    return UserError(f"the weights in {path} do not fit {model} ({why}); set model: to the one they were trained as")
