"""Which class is in each of a user's images, by a delivered model."""

import csv
import glob
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from subtuning.deploy.folder import HALF, Model
from subtuning.errors import UserError
from subtuning.tasks.images import ImageError, open_rgb
from subtuning.tasks.sources.folder import find_files, is_image
from subtuning.tasks.write import in_threads


def find_images(words: Sequence[str]) -> list[Path]:
    """The images that words name, each once: files, whatever their name; all images below a folder; a glob's files.

    Raises:
        UserError: a word that names no image.
    """
    found: list[Path] = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            named = [file for file in find_files(path, path, {}) if is_image(file)]
        elif path.exists() or not glob.has_magic(word):
            named = [path] * path.exists()
        else:
            names = glob.glob(word, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
            named = [file for name in sorted(names) if is_image(file := Path(name))]
        if not named:
            raise UserError(f"{word} is no image, and no folder or pattern of images (quote a pattern: '*.jpg')")
        found += named
    return list(dict.fromkeys(found))


def predict(
    model: Model, images: Sequence[Path], top: int = 1, workers: int = 1, progress: bool = False
) -> tuple[str, list[tuple[str, ImageError]]]:
    """Ask the model about images, which are decoded as at a conversion (upright, transparent pixels on white ...).

    Args:
        top: how many of the most probable classes are named, at most all of them.

    Returns:
        CSV text: a row an image, with the columns ``image``, ``class``, ``probability``, ``class_2``, ``probability_2``
        ...; where an image may have several labels, first ``labels``, those with a probability above 0.5, the most
        probable first, joined by ``;``. And the images that cannot be used.
    """
    good: list[str] = []
    broken: list[tuple[str, ImageError]] = []

    def see(path: Path) -> Tensor | ImageError:
        try:
            return model.see(open_rgb(path))
        except ImageError as error:
            return error

    def seen() -> Iterator[Tensor]:
        for path, found in zip(images, in_threads(see, images, workers, len(images), "images", progress), strict=True):
            if isinstance(found, ImageError):
                broken.append((str(path), found))
            else:
                good.append(str(path))
                yield found

    every = [row for batch in model.probabilities(seen()) for row in batch]
    rows = [[*_labels(model, row), *_cells(model.classes, row, top)] for row in every]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["image", *["labels"] * model.multilabel, *_headings(min(top, len(model.classes)))])
    writer.writerows([name, *cells] for name, cells in zip(good, rows, strict=True))
    return file.getvalue(), broken


def _labels(model: Model, probabilities: np.ndarray) -> list[str]:
    """One cell with all labels of an image; none where an image has one class."""
    best = np.argsort(-probabilities, kind="stable")
    return [";".join(model.classes[i] for i in best if probabilities[i] > HALF)] if model.multilabel else []


def _headings(top: int) -> list[str]:
    return [f"{name}{end}" for end in ["", *(f"_{i}" for i in range(2, top + 1))] for name in ("class", "probability")]


def _cells(classes: Sequence[str], probabilities: np.ndarray, top: int) -> list[str]:
    best = np.argsort(-probabilities, kind="stable")[:top]
    return [cell for i in best for cell in (classes[i], f"{probabilities[i]:.6f}")]
