"""The finetuning profile: each layer trained alone (paper, section 3), beside linear probing and full fine-tuning."""

from collections.abc import Sequence
from typing import Any

from subtuning.runs.identity import Run, Split
from subtuning.search.scores import fold_scores, mean
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, Tuning


def candidates(layers: dict[str, Any]) -> list[str]:
    """The layers one may choose from, in network order, from the content of `layers.json`, which says it of each.

    They are the stem, all blocks, and a tail that holds more than norms, as EfficientNet's last convolution. A
    description older than that choice has none; there the tail stays out.
    """
    chosen = (row for row in layers["layers"] if row.get("candidate", row["kind"] != "tail" and row["parameters"]))
    return [row["name"] for row in chosen]


def tunings(layers: dict[str, Any]) -> list[Tuning]:
    """What the profile trains: nothing (linear probing), each layer alone, everything."""
    return [ONLY_HEAD, *(Tuning((name,)) for name in candidates(layers)), EVERYTHING]


def cv_splits(folds: int) -> list[Split]:
    """One split for each fold of a cross-validation."""
    return [Split("cv", folds, fold) for fold in range(folds)]


def shard(items: Sequence[Any], index: int, count: int) -> list[Any]:
    """The part of `items` that job `index` (from 0) of `count` does: every `count`-th, so that early layers, which cost
    more, are spread evenly."""
    return list(items[index::count])


def best_layer(records: Sequence[dict[str, Any]], layers: dict[str, Any]) -> str | None:
    """The single layer with the highest mean score over the folds; of equals, the one with fewer parameters.

    Args:
        records: the profile's cross-validation records.

    Returns:
        None when every layer diverged.
    """
    parameters = {row["name"]: row["parameters"] for row in layers["layers"]}
    means = {}
    for name in candidates(layers):
        own = Tuning((name,))
        scores = fold_scores([r for r in records if Tuning.of_identity(r["identity"]) == own])
        if scores and None not in scores:
            means[name] = mean(scores)
    return max(means, key=lambda name: (means[name], -parameters[name]), default=None)


def runs_of(base: Run, wanted: Sequence[Tuning], splits: Sequence[Split]) -> list[Run]:
    """One run for each split and tuning, made from `base`."""
    return [of_split.with_tuning(tuning) for of_split in map(base.with_split, splits) for tuning in wanted]
