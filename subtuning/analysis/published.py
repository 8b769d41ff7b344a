"""VTAB-1k: the paper's numbers beside those measured here; a cell of ours is empty where nothing was measured.

The numbers are test accuracies in percent, read from the first table of Kaplun et al., arXiv 2302.06354v3, which gives
no spread and tuned its methods otherwise than this workflow does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from subtuning.analysis.paper import score_words
from subtuning.analysis.tables import Item

TASKS = ("cifar100", "oxford_flowers102", "caltech101", "dmlab")
PUBLISHED = {
    "resnet50": {
        "SubTuning": (54.6, 90.5, 86.5, 51.2),
        "Head2Toe": (47.1, 85.6, 88.8, 43.9),
        "full fine-tuning": (33.7, 87.3, 78.7, 48.2),
        "linear probing": (35.4, 64.2, 67.1, 36.3),
    },
    "vit_base_patch16_224": {
        "SubTuning": (68.0, 97.7, 86.5, 36.4),
        "Head2Toe": (58.2, 85.9, 87.3, 41.6),
        "full fine-tuning": (47.8, 91.2, 80.7, 34.3),
        "linear probing": (29.9, 84.7, 72.7, 31.0),
        "LoRA": (40.4, 88.3, 79.2, 36.4),
    },
}
"""How timm's names of a network begin -> method -> accuracies of `TASKS`."""

OURS = {"SubTuning": "greedy", "full fine-tuning": "full", "linear probing": "linear", "LoRA": "lora"}
"""The row of the comparison that stands beside a published method; a subset named `lora` for the last."""


def published_table(items: Sequence[Item], names: Mapping[str, str], models: Mapping[str, str]) -> pd.DataFrame:
    """A row for each published number: task, network, method, `published %`, and `here %` with its interval as text.

    Args:
        names: task -> its name in VTAB-1k; others are left out.
        models: backbone -> timm's name of its network. Of several that are the same network, the first counts.
    """
    rows = []
    for network, methods in PUBLISHED.items():
        for place, task in enumerate(TASKS):
            found = [
                evaluation.set_index("method").to_dict("index")
                for own, backbone, evaluation, _ in items
                if names.get(own) == task and models.get(backbone, "").startswith(network)
            ]
            for method, numbers in methods.items():
                row: dict[str, Any] | None = found[0].get(OURS.get(method, "")) if found else None
                here = score_words(row) if row else ""
                cells = {"published %": f"{numbers[place]:.1f}", "here %": here}
                rows.append({"task": task, "network": network, "method": method} | cells)
    return pd.DataFrame(rows)


NOTES = [
    "Published: Kaplun et al., arXiv 2302.06354v3, one number each, without spread; here: 95 % intervals. An empty "
    "cell was not measured. Weights, images and recipes are the paper's only with config/paper.yaml"
]
