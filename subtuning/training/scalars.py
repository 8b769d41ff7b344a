"""TensorBoard scalars of a finished run. Needs torch only to write them."""

import shutil
from pathlib import Path
from typing import Any

from subtuning.runs.identity import Run
from subtuning.tuning.subsets import title


def scalars_folder(run: Run, folder: Path) -> Path:
    """`<task>/<backbone>/<layers>/<split and seed>-<id>`: readable in TensorBoard's list, and one folder a run."""
    layers = title(run.subset)
    layers = layers if len(layers) <= 100 else f"{layers[:90]}...({len(run.subset)} layers)"
    where = f"fold{run.split.fold + 1}of{run.split.folds}" if run.split.kind == "cv" else run.split.kind
    return folder.joinpath(*run.names, layers, f"{where}-seed{run.seed}-{run.id[:6]}")


def write_scalars(record: dict[str, Any], run: Run, folder: Path) -> None:
    """Write a finished run's curve (a point an epoch) and its final score, all or nothing, in place of earlier ones."""
    from torch.utils.tensorboard import SummaryWriter

    place = scalars_folder(run, folder)
    partial = folder / f".{run.id}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    with SummaryWriter(str(partial), max_queue=10_000) as writer:
        for point in record["curve"]:
            for name in ("train_loss", "train_accuracy", "lr"):
                writer.add_scalar(name, point[name], point["epoch"])
        if record["metrics"]:
            for name in ("accuracy", "loss"):
                writer.add_scalar(f"scored/{name}", record["metrics"][name], run.recipe.epochs)
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(place)
