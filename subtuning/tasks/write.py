"""Writing a task so that memory stays small, whatever its size, and nothing half-written is ever taken for a task."""

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from subtuning.errors import UserError, listed
from subtuning.tasks.images import ImageError
from subtuning.tasks.source import PARTS, Item

_AHEAD = 4
"""Images a worker that may wait in memory, decoded or not."""


class Rows:
    """An `images.npy` of known shape (N, H, W, C), uint8, that is filled row by row in any order, from any thread.

    Rows are written with positioned writes: unlike a memory map, which keeps every page it has touched in the process's
    resident memory until the system needs it, this holds one image at a time.
    """

    def __init__(self, file: Path, shape: tuple[int, int, int, int]):
        with file.open("wb") as handle:
            header = {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}
            np.lib.format.write_array_header_1_0(handle, header)
            self._start = handle.tell()
            self._row = int(np.prod(shape[1:]))
            handle.truncate(self._start + shape[0] * self._row)
        self.shape = tuple(shape)
        self._file = os.open(file, os.O_WRONLY)

    def write(self, row: int, image: np.ndarray) -> None:
        """Store one uint8 image H x W x C. Raises `ImageError` if it has another shape."""
        if image.shape != self.shape[1:] or image.dtype != np.uint8:
            raise ImageError(f"{_shape(image.shape)} instead of {_shape(self.shape[1:])}")
        data, place = memoryview(np.ascontiguousarray(image)).cast("B"), self._start + row * self._row
        while len(data):
            written = os.pwrite(self._file, data, place)
            data, place = data[written:], place + written

    def close(self) -> None:
        os.close(self._file)


def keep_rows(folder: Path, kept: np.ndarray) -> None:
    """Leave only the rows `kept` (M of N positions) in the `images.npy` and `labels.npy` of a part that is written."""
    images, fewer = np.load(folder / "images.npy", mmap_mode="r"), folder / "fewer.npy"
    rows = Rows(fewer, (len(kept), *images.shape[1:]))
    try:
        for i, row in enumerate(kept):
            rows.write(i, images[row])
    finally:
        rows.close()
    fewer.replace(folder / "images.npy")
    np.save(folder / "labels.npy", np.load(folder / "labels.npy")[kept])


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in shape)


def write_images(
    items: Iterator[Item], rows: dict[str, Rows], make: Callable[[Item], np.ndarray], workers: int, progress
) -> None:
    """Pass every item through `make` (in `workers` threads) and store what comes out in the item's row.

    Pillow decodes and resizes outside Python's global lock, so threads do use all cores, and at most a few images a
    worker are in memory. Raises one `UserError` that lists all images that could not be used, after trying them all.
    """

    def work(item: Item) -> tuple[str, ImageError] | None:
        try:
            rows[item.part].write(item.row, make(item))
        except ImageError as error:
            return item.name, error
        return None

    broken, written = [], 0
    for problem in _in_threads(work, items, workers):
        written += 1
        progress.update()
        if problem:
            broken.append(problem)
    if broken:
        raise unusable(broken)
    expected = sum(part.shape[0] for part in rows.values())
    if written != expected:
        raise UserError(
            f"the source gave {written:,} images instead of {expected:,}; it changed while it was being read"
        )


def unusable(broken: list[tuple[str, ImageError]]) -> UserError:
    """The error that lists images which cannot be used, by name: those with one remedy together."""
    alike: dict[str, list[str]] = {}
    for name, error in sorted(broken, key=lambda pair: pair[0]):
        kind = f"{error}; {error.remedy}" if error.remedy else ""
        alike.setdefault(kind, []).append(name if kind else f"{name} ({error})")
    return UserError("; ".join(_together(kind, names) for kind, names in alike.items()))


def _together(kind: str, names: list[str]) -> str:
    images = "1 image" if len(names) == 1 else f"{len(names):,} images"
    why = f"cannot be used, being {kind}" if kind else "cannot be used; replace or remove"
    return f"{images} {why}: {listed(names)}"


def _in_threads(work: Callable, items: Iterator, workers: int) -> Iterator:
    """Results of `work` in the order of `items`, a bounded number of items ahead."""
    if workers <= 1:
        yield from map(work, items)
        return
    waiting: deque[Future] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= workers * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_threads(work: Callable, items: list, workers: int) -> Iterator:
    """Like `map`, with threads."""
    return _in_threads(work, iter(items), workers)


def check_space(folder: Path, needed: int, what: str = "") -> None:
    """Raise `UserError` if the disk of `folder` (or of its nearest existing parent) has not `needed` bytes left."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        needs = f"{folder} needs {needed / 1e9:.1f} GB {what}".rstrip()
        raise UserError(f"{needs}, but its disk has {free / 1e9:.1f} GB left; make room")


def publish(partial: Path, out: Path) -> None:
    """Move the finished task from `partial` to `out`, `task.json` last: a reader sees the old, no, or the new task.

    Folders of `out` that exist already (Snakemake makes them before the job) are used; other files in them stay.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "task.json").unlink(missing_ok=True)
    for part in PARTS:
        (out / part).mkdir(exist_ok=True)
        for name in ("images.npy", "labels.npy"):
            _flushed(partial / part / name).replace(out / part / name)
    for name in ("names.json", "task.json"):
        _flushed(partial / name).replace(out / name)


def _flushed(file: Path) -> Path:
    # Without this a power cut can leave a renamed file that is empty.
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return file
