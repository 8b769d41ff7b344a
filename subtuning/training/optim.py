"""Optimisers and learning rate schedules, by the names of the recipe."""

import math
from collections.abc import Iterable
from typing import Any

from torch import nn, optim

from subtuning.config import Recipe


def new_optimizer(groups: Iterable[nn.Parameter] | Iterable[dict[str, Any]], recipe: Recipe) -> optim.Optimizer:
    """The recipe's optimiser over trained parameters, or groups of them; one kernel for a group (`fused`)."""
    common: dict[str, Any] = {"lr": recipe.lr, "weight_decay": recipe.weight_decay, "fused": True}
    match recipe.optimizer:
        case "adamw":
            return optim.AdamW(groups, **common)
        case "adam":
            return optim.Adam(groups, **common)
        case "sgd":
            return optim.SGD(groups, momentum=0.9, **common)
    raise AssertionError(recipe.optimizer)


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """The learning rate of a step (from 0) out of `steps`: linear warm-up, then the recipe's schedule over the rest."""
    warmup = round(recipe.warmup * steps)
    if step < warmup:
        return recipe.lr * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    match recipe.schedule:
        case "cosine":
            return recipe.lr * (1 + math.cos(math.pi * done)) / 2
        case "step":
            return recipe.lr * 0.1 ** int(3 * done)
        case "constant":
            return recipe.lr
    raise AssertionError(recipe.schedule)


def set_learning_rate(optimizer: optim.Optimizer, value: float) -> None:
    """Give each parameter group this learning rate times its own `scale` (1 if it has none)."""
    for group in optimizer.param_groups:
        group["lr"] = value * group.get("scale", 1.0)
