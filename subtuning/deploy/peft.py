"""The layers that LoRA changed, as the library `peft` names them."""

import inspect
import re
from collections.abc import Sequence
from typing import Any

from torch import nn

from subtuning.tuning.adapters import adapted_layers, lora
from subtuning.tuning.tuning import Tuning


def lora_modules(layers: dict[str, Any], tuning: Tuning) -> list[str]:
    """The modules of timm's network whose weights a tuning with LoRA changes, in network order.

    Empty for another way of training, and where the description of the backbone is older than its lists of tensors.

    Args:
        layers: the content of the backbone's layers.json.
    """
    rows = {row["name"]: row.get("tensors", {}) for row in layers["layers"]}
    if tuning.how.name != "lora" or not any(rows.values()):
        return []
    options: dict[str, Any] = dict(tuning.how.options)
    changed = [name for layer in adapted_layers(tuning, rows) for name in lora.chosen(rows[layer], **options)]
    return [name.removesuffix(".weight") for name in changed]


def peft_takes(module: nn.Module, tuning: Tuning) -> bool:
    """Whether peft can change this module: of a grouped convolution, the number of groups must divide the rank (peft
    0.21, tuners/lora/layer.py)."""
    return rank_and_alpha(tuning)[0] % getattr(module, "groups", 1) == 0


def rank_and_alpha(tuning: Tuning) -> tuple[int, float]:
    """What LoRA was told, or what it takes if not."""
    defaults = {p.name: p.default for p in inspect.signature(lora.adapt).parameters.values()}
    options: dict[str, Any] = defaults | dict(tuning.how.options)
    return int(options["rank"]), options["alpha"]


def lora_config(modules: Sequence[str], every: Sequence[str], tuning: Tuning, classifier: Sequence[str]) -> str:
    """`LoraConfig(...)`, which selects exactly these modules.

    peft takes each name of a list also for the end of longer names; where that would select others, the names become
    one regular expression, which it compares with whole names.

    Args:
        every: the names of all modules of the network.
        classifier: the names of the new head, which is trained as a whole.
    """
    rank, alpha = rank_and_alpha(tuning)
    ends = tuple(f".{name}" for name in modules)
    others = [name for name in every if name.endswith(ends) and name not in modules]
    targets = repr("|".join(map(re.escape, modules)) if others else list(modules))
    return f"LoraConfig(r={rank}, lora_alpha={alpha:g}, target_modules={targets}, modules_to_save={list(classifier)!r})"
