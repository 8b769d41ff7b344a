"""Results folders of any size, made in a moment: nothing in them was trained."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zlib import crc32

from subtuning.config import Config
from subtuning.runs import Run, Store
from subtuning.runs.store import Snapshot
from subtuning.workspace.prepared import backbone_entry
from subtuning.workspace.studies import studies_of

EPOCH = {"train_loss": 0.7286999512091279, "train_accuracy": 0.78375, "lr": 2.9599073575926615e-06}


def prepare(config: Config, results: Path, layers: int = 18) -> None:
    """`task.json` of every task and `layers.json` of every backbone, as `convert` and `describe` write them."""
    for number, (name, task) in enumerate(config.tasks.items()):
        facts = {"name": name, "classes": ["a", "b"], "image_size": [8, 8, 3], "sha256": f"{number:064x}"}
        facts |= {"counts": {"train": 800, "val": 200, "test": 5000}, "source": task.entry()}
        facts["label_counts"] = {part: [1, 1] for part in facts["counts"]}
        write(results / "tasks" / name / "task.json", facts)
    for number, (name, backbone) in enumerate(config.backbones.items()):
        rows = [{"name": f"blocks.{n}", "kind": "block", "parameters": 1000 + n, "flops": 100} for n in range(layers)]
        identity = {"model": backbone.model, "weights_sha256": f"{number:064x}", "input_size": 224}
        identity |= {"interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.5] * 3, "granularity": "layer"}
        identity |= {"layers": rows, "spec": backbone_entry(backbone)}
        write(results / "backbones" / name / "layers.json", identity)


SMALL = {
    "tasks": {
        "one": {"source": "folder", "path": "data/one"},
        "two": {"source": "folder", "path": "data/two", "recipe": {"epochs": 4}},
    },
    "backbones": {"net": {"model": "test_vit", "weights": "random"}},
    "recipe": {"epochs": 2},
    "profile": {"folds": 2},
    "greedy": {"folds": 2, "max_rounds": 2},
    "tune": {"lr": [1]},
    "evaluate": {"seeds": 2},
}
"""With three layers: 10 profile runs a task, of which round 1 is a part; 4 runs in round 2."""


def write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def result(run: Run, **changes: Any) -> dict[str, Any]:
    """What a training would have measured: 10 s for 1,000 images, and each layer more is better by another amount."""
    score = 0.4 + 0.1 * (run.tuning.size or 0) + crc32(repr(run.tuning.layers).encode()) / 2**37
    epochs = run.recipe.epochs
    values = {"status": "done", "metrics": {"accuracy": score, "loss": 0.2, "n": 200}}
    values |= {"curve": [{"epoch": epoch + 1, **EPOCH} for epoch in range(epochs)], "trainable_parameters": 236970}
    values |= {"total_parameters": 3383818, "flops": 44274356, "seconds": 10.0 * epochs, "images_per_second": 100.0}
    values |= {"lane_memory_bytes": 1513009152, "lanes": 19, "precision": "float32", "device": "cpu (x86_64)"}
    return values | {"versions": {}, "started": "2026-01-02T03:04:05+00:00"} | changes


def known_runs(config: Config, results: Path) -> list[Run]:
    """Of all steps of all pairs, each once."""
    studies = studies_of(config, results, Snapshot(Store(results / "runs")))
    return list(dict.fromkeys(run for state in studies for step in state.wanted.values() for run in step.runs))


def train(runs: Iterable[Run], results: Path, **changes: Any) -> int:
    """Write the records of those runs that have none; returns their number."""
    store, written = Store(results / "runs"), 0
    for run in runs:
        if not (file := store.path(run.id)).exists():
            names = dict(zip(("task", "backbone"), run.names, strict=True))
            write(file, {"id": run.id, "names": names, "identity": run.identity(), **result(run, **changes)})
            written += 1
    return written


def train_all(config: Config, results: Path) -> None:
    """All runs, wave by wave, as each round of the search becomes known."""
    while train(known_runs(config, results), results):
        pass
