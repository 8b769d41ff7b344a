"""Run records as rows: one row a run, one column a value."""

from collections.abc import Mapping
from typing import Any

from subtuning.tuning.tuning import Tuning

COLUMNS = [
    *("id", "task", "backbone", "layers", "split", "folds", "fold", "seed", "status", "accuracy", "loss", "seconds"),
    *("images_per_second", "lane_memory_bytes", "trainable_parameters", "epochs", "precision", "device", "started"),
    "numbers",
]
"""Accuracy is from 0 to 1, fold counts from 0."""


def columns_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as a row."""
    identity, metrics = record["identity"], record["metrics"] or {}
    known = {"layers": layers_of(record), "epochs": identity["recipe"]["epochs"]}
    known |= {"precision": identity["recipe"]["precision"], "numbers": identity.get("numbers")}
    content = record | record["names"] | metrics | {key: identity[key] for key in ("split", "folds", "fold", "seed")}
    return {key: content.get(key) for key in COLUMNS} | known


def layers_of(record: Mapping[str, Any]) -> str:
    """What a run trained, by its printed name."""
    return str(Tuning.of_identity(record["identity"]))
