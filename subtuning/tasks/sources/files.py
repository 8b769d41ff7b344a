"""What the sources that read image files share: sizes from headers first, then a stream of paths."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from subtuning.errors import UserError
from subtuning.paths import not_expanded
from subtuning.tasks.images import ImageError, image_size, open_rgb
from subtuning.tasks.source import PARTS, Item, Source
from subtuning.tasks.write import in_threads, unusable

MAX_LIST_BYTES = 500_000_000
"""Millions of lines. A larger list is none: a file of one gigabyte or terabyte may take no place on the disk."""


def read_text(file: Path, what: str) -> str:
    """The UTF-8 text of a list or table. Raises `UserError` that says `what` it must hold."""
    if file.stat().st_size > MAX_LIST_BYTES:
        raise UserError(f"{file} is larger than {MAX_LIST_BYTES:,} bytes; it must hold {what}")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{file} is not UTF-8 text; it must hold {what}") from None


def missing(what: str, path: Path, wanted: str) -> UserError:
    """The error for a path of the config that leads to nothing."""
    return UserError(f"{what} {path} does not exist{not_expanded(path)}; {wanted}")


def file_source(
    root: Path,
    classes: tuple[str, ...],
    paths: list[Path],
    labels: np.ndarray,
    rows: dict[str, np.ndarray],
    workers: int,
    progress: bool,
    warnings: Iterable[str] = (),
    **about: object,
) -> Source:
    """A `Source` of N image files at `paths` below `root`, with their labels (int64 N) and the rows of each part.

    Every header is read now, so that a file which is no image stops the conversion before anything is written.
    """
    chosen = {part: [paths[i] for i in rows[part]] for part in PARTS}
    size = _common_size(root, [path for part in PARTS for path in chosen[part]], workers, progress)

    def items() -> Iterator[Item]:
        for part in PARTS:
            for row, path in enumerate(chosen[part]):
                yield Item(part, row, str(path.relative_to(root)), path)

    targets, image_size = {part: labels[rows[part]] for part in PARTS}, (*size, 3) if size else None
    return Source(classes, targets, items, image_size, open_rgb, about=about, warnings=tuple(warnings))


def _common_size(root: Path, paths: list[Path], workers: int, progress: bool) -> tuple[int, int] | None:
    """(H, W) if all images have it, else None."""
    broken: list[tuple[str, ImageError]] = []

    def measure(path: Path) -> tuple[int, int] | None:
        try:
            return image_size(path)
        except ImageError as error:
            return broken.append((str(path.relative_to(root)), error))

    sizes = set(in_threads(measure, paths, workers, len(paths), "headers", progress))
    if broken:
        raise unusable(broken)
    return sizes.pop() if len(sizes) == 1 else None
