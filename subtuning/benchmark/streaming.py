"""D: images that are read from the disk, batch by batch, against images held in memory."""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from subtuning.benchmark.job import Job
from subtuning.benchmark.scaling import Watch
from subtuning.benchmark.timing import compare, in_a_process
from subtuning.tasks.stored import StoredImages
from subtuning.training.data import Images
from subtuning.training.loop import LaneGroup
from subtuning.tuning.tuning import ONLY_HEAD

IMAGES = (10_000, 100_000, 500_000)
SIDE = 32
"""Pixels a side of the stored images: 3 kB each."""

STEPS = 20
"""Of one measurement: what is read ahead in one must be used in it."""


def by_images(job: Job, repeats: int) -> list[dict[str, Any]]:
    """A step of linear probing, the one that computes least, and the peak of memory, with more and more images.

    The files were just written, so that the system has them in its cache as far as it has room.
    """
    rows = []
    for count in IMAGES:
        with TemporaryDirectory(prefix="subtuning") as folder:
            file = _write(Path(folder) / "images.npy", count)
            streamed, in_memory = (partial(_steps, _group(job, file, held)) for held in (False, True))
            ratio = compare(streamed, in_memory, job.device, repeats)
            del streamed, in_memory
            peaks = {f"{name}_mb": _peak_mb(job, file, held) for name, held in (("streamed", False), ("held", True))}
        rows.append({"benchmark": "D streaming", "images": count, "file_mb": count * SIDE * SIDE * 3 // 10**6} | peaks)
        rows[-1] |= ratio.row()
    return rows


def _write(file: Path, count: int) -> Path:
    """Random pixels, a block at a time."""
    rng = np.random.default_rng(0)
    images = open_memmap(file, mode="w+", dtype=np.uint8, shape=(count, SIDE, SIDE, 3))
    for start in range(0, count, 10_000):
        images[start : start + 10_000] = rng.integers(0, 256, images[start : start + 10_000].shape, np.uint8)
    images.flush()
    return file


def _group(job: Job, file: Path, held: bool) -> LaneGroup:
    pixels = StoredImages([file])
    images = Images(pixels, np.arange(len(pixels)) % job.classes, job.backbone, job.device)
    return job.group([ONLY_HEAD], train=images.on_device() if held else images)


def _steps(group: LaneGroup) -> None:
    for _ in range(STEPS):
        group.advance()


def _peak_mb(job: Job, file: Path, held: bool) -> int:
    """Megabytes by which memory rises in a fresh process that opens the images and trains on them."""
    _, rise = in_a_process(_rise, job, file, held)
    return round(rise / 1e6)


def _rise(job: Job, file: Path, held: bool) -> int:
    job.group([ONLY_HEAD]).advance()  # what torch allocates once, whatever is trained
    with Watch(job.device) as watch:
        _steps(_group(job, file, held))
    return watch.rise
