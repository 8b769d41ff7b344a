"""Which class is in each of a user's images, by a delivered model, or by several that share a trunk."""

import csv
import glob
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from torch import Tensor

from subtuning.deploy.folder import HALF, Model
from subtuning.deploy.multitask import MultiTaskModel
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
    model: Model | MultiTaskModel, images: Sequence[Path], top: int = 1, workers: int = 1, progress: bool = False
) -> tuple[str, list[tuple[str, ImageError]]]:
    """Ask the model about images, which are decoded as at a conversion (upright, transparent pixels on white ...).

    Args:
        top: how many of the most probable classes are named, at most all of them.

    Returns:
        CSV text: a row an image, with the columns ``image``, ``class``, ``probability``, ``class_2``, ``probability_2``
        ...; where an image may have several labels, first ``labels``, those with a probability above 0.5, the most
        probable first, joined by ``;``; of a model of many tasks all of these for each task, ``<task>_class`` ...
        And the images that cannot be used.
    """
    tasks, probabilities = _asked(model)
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

    batches = list(probabilities(seen()))
    columns = [[_cells(tasks[task], row, top) for batch in batches for row in batch[task]] for task in tasks]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["image", *(head for task, one in tasks.items() for head in _headings(task, one, top))])
    writer.writerows([name, *chain.from_iterable(cells)] for name, *cells in zip(good, *columns, strict=True))
    return file.getvalue(), broken


_Asked = tuple[Mapping[str, Model], Callable[[Iterable[Tensor]], Iterator[Mapping[str, np.ndarray]]]]


def _asked(model: Model | MultiTaskModel) -> _Asked:
    """The model of each task, and what gives its probabilities; the task of a single model has no name."""
    if isinstance(model, MultiTaskModel):
        return model.models, model.probabilities
    return {"": model}, lambda seen: ({"": found} for found in model.probabilities(seen))


def _headings(task: str, model: Model, top: int) -> list[str]:
    ends = ["", *(f"_{i}" for i in range(2, min(top, len(model.classes)) + 1))]
    names = [*["labels"] * model.multilabel, *(name + end for end in ends for name in ("class", "probability"))]
    return [f"{task}{'_' * bool(task)}{name}" for name in names]


def _cells(model: Model, probabilities: np.ndarray, top: int) -> list[str]:
    """The cells of one image: all its labels in one, where it may have several; then the most probable classes."""
    best = np.argsort(-probabilities, kind="stable")
    labels = [";".join(model.classes[i] for i in best if probabilities[i] > HALF)] * model.multilabel
    return [*labels, *(cell for i in best[:top] for cell in (model.classes[i], f"{probabilities[i]:.6f}"))]
