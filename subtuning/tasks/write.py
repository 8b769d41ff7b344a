"""Writing a task so that memory stays small, whatever its size, and nothing half-written is ever taken for a task."""

import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from subtuning.errors import UserError, listed
from subtuning.tasks.images import ImageError
from subtuning.tasks.source import PARTS, Item

_SECONDS_BETWEEN_LINES = 15.0

_AHEAD = 4
"""Images a worker that may wait in memory, decoded or not."""


class Rows:
    """An `images.npy` of known shape (N, H, W, C), uint8, that is filled row by row in any order, from any thread.

    What a file of this shape holds already stays.

    Rows are written with positioned writes: unlike a memory map, which keeps every page it has touched in the process's
    resident memory until the system needs it, this holds one image at a time.
    """

    def __init__(self, file: Path, shape: tuple[int, int, int, int]):
        with file.open("r+b" if file.exists() else "wb") as handle:
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
            found, expected = (" x ".join(map(str, shape)) for shape in (image.shape, self.shape[1:]))
            raise ImageError(f"{found} instead of {expected}")
        data, place = memoryview(np.ascontiguousarray(image)).cast("B"), self._start + row * self._row
        while len(data):
            written = os.pwrite(self._file, data, place)
            data, place = data[written:], place + written

    def flush(self) -> None:
        """Wait until what is written is on the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)


def keep_rows(folder: Path, kept: np.ndarray) -> None:
    """Leave only the rows `kept` (M of N positions) in the `images.npy` and `labels.npy` of a part that is written."""
    images, fewer = np.load(folder / "images.npy", mmap_mode="r"), folder / "fewer.npy"
    with closing(Rows(fewer, (len(kept), *images.shape[1:]))) as rows:
        for i, row in enumerate(kept):
            rows.write(i, images[row])
    fewer.replace(folder / "images.npy")
    np.save(folder / "labels.npy", np.load(folder / "labels.npy")[kept])


def write_images(
    items: Iterator[Item],
    rows: dict[str, Rows],
    finished: dict[str, np.ndarray],
    make: Callable[[Item], np.ndarray],
    workers: int,
    progress: bool,
) -> None:
    """Pass every item through `make` (in `workers` threads) and store what comes out in the item's row.

    Pillow decodes and resizes outside Python's global lock, so threads do use all cores, and at most a few images a
    worker are in memory. Raises one `UserError` that lists all images that could not be used, after trying them all.

    Args:
        finished: of each part N, True for rows that are written; it is brought up to date.
    """
    expected = sum(part.shape[0] for part in rows.values())
    before = sum(int(part.sum()) for part in finished.values())
    if progress and before:
        print(f"images: {before:,} of {expected:,} were converted before", file=sys.stderr)

    def work(item: Item) -> tuple[str, ImageError] | None:
        try:
            rows[item.part].write(item.row, make(item))
            finished[item.part][item.row] = True
        except ImageError as error:
            return item.name, error
        return None

    problems = list(in_threads(work, items, workers, expected - before, "images", progress))
    if broken := [problem for problem in problems if problem]:
        raise unusable(broken)
    if before + len(problems) != expected:
        found = f"{before + len(problems):,} images instead of {expected:,}"
        raise UserError(f"the source gave {found}; it changed while it was being read")


def unusable(broken: list[tuple[str, ImageError]]) -> UserError:
    """The error that lists images which cannot be used, by name: those with one remedy together."""
    alike: dict[str, list[str]] = {}
    for name, error in sorted(broken, key=lambda pair: pair[0]):
        kind = f"cannot be used, being {error}; {error.remedy}" if error.remedy else ""
        alike.setdefault(kind, []).append(name if kind else f"{name} ({error})")
    groups = []
    for kind, names in alike.items():
        images = "1 image" if len(names) == 1 else f"{len(names):,} images"
        groups.append(f"{images} {kind or 'cannot be used; replace or remove'}: {listed(names)}")
    return UserError("; ".join(groups))


def in_threads(work: Callable, items: Iterable, workers: int, total: int, what: str, progress: bool) -> Iterator:
    """Results of `work` in the order of `items` (`total` of them), computed in threads a bounded number ahead.

    With `progress`, a bar that is called `what` shows how far it is, or a line now and then where no terminal is.
    """
    from tqdm import tqdm

    results = map(work, items) if workers <= 1 else _ahead(work, items, workers)
    if progress and not sys.stderr.isatty():
        return _with_lines(results, total, what)
    return iter(tqdm(results, total=total, desc=what, unit="img", disable=not progress, mininterval=0.5))


def _with_lines(results: Iterable, total: int, what: str) -> Iterator:
    """The results, with a plain line now and then that a log can keep."""
    said = time.monotonic()
    for number, result in enumerate(results, 1):
        if time.monotonic() - said > _SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            print(f"{what}: {number:,} of {total:,}", file=sys.stderr, flush=True)
        yield result


def _ahead(work: Callable, items: Iterable, workers: int) -> Iterator:
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


def check_space(folder: Path, needed: int, what: str = "") -> None:
    """Raise `UserError` if the disk of `folder` (or of its nearest existing parent) has not `needed` bytes left."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        needs = f"{folder} needs {needed / 1e9:.1f} GB {what}".rstrip()
        raise UserError(f"{needs}, but its disk has {free / 1e9:.1f} GB left; make room")


@contextmanager
def written_aside(out: Path) -> Iterator[Path]:
    """The path of a hidden folder beside `out` to write in; at the end it is removed, unless it was renamed.

    What the system refuses meanwhile becomes a `UserError` that names `out`.
    """
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def publish(partial: Path, out: Path) -> None:
    """Move the finished task from `partial` to `out`, `task.json` last: a reader sees the old, no, or the new task.

    Folders of `out` that exist already (Snakemake makes them before the job) are used; other files in them stay.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "task.json").unlink(missing_ok=True)
    for part in PARTS:
        (out / part).mkdir(exist_ok=True)
    arrays = [f"{part}/{name}.npy" for part in PARTS for name in ("images", "labels")]
    for name in (*arrays, "names.json", "task.json"):
        with (partial / name).open("rb") as file:
            os.fsync(file.fileno())  # without this a power cut can leave a renamed file that is empty
        (partial / name).replace(out / name)
