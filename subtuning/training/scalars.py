"""TensorBoard scalars of a finished run. Needs torch only to write them."""

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from subtuning.runs.identity import Run


def scalars_folder(run: Run, folder: Path) -> Path:
    """`<task>/<backbone>/<layers>/<split and seed>-<id>`: readable in TensorBoard's list, and one folder a run."""
    layers = str(run.tuning)
    layers = layers if len(layers) <= 100 else f"{layers[:90]}...({run.tuning.size} layers)"
    where = f"fold{run.split.fold + 1}of{run.split.folds}" if run.split.fold is not None else run.split.kind
    return folder.joinpath(*run.names, layers, f"{where}-seed{run.seed}-{run.id[:6]}")


def write_scalars(record: dict[str, Any], run: Run, folder: Path) -> None:
    """Write a finished run's curve (a point an epoch) and its final score, all or nothing, in place of earlier ones.

    Raises:
        OSError: they cannot be written, say because the disk is full.
    """
    from torch.utils.tensorboard import SummaryWriter

    place = scalars_folder(run, folder)
    partial = folder / f".{run.id}.{os.getpid()}.partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        with _silent_threads(), SummaryWriter(str(partial), max_queue=10_000) as writer:
            _add_scalars(writer, record, run)
        _put(partial, place)
    except OSError as error:
        error.filename = error.filename or str(place)
        raise


def _put(partial: Path, place: Path) -> None:
    """Move a whole folder to its place; what is there already, perhaps since just now, holds the same run."""
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        partial.replace(place)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        shutil.rmtree(partial, ignore_errors=True)


def _add_scalars(writer: Any, record: dict[str, Any], run: Run) -> None:
    for point in record["curve"]:
        for name in point.keys() - {"epoch"}:
            writer.add_scalar(name, point[name], point["epoch"])
    if record["metrics"]:
        for name in ("accuracy", "loss"):
            writer.add_scalar(f"scored/{name}", record["metrics"][name], run.recipe.epochs)


@contextlib.contextmanager
def _silent_threads() -> Iterator[None]:
    """The writer's thread prints a traceback of an error that it also raises here; once is enough."""
    before, threading.excepthook = threading.excepthook, lambda _: None
    try:
        yield
    finally:
        threading.excepthook = before
