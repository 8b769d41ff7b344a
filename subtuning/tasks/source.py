"""What a source hands to the converter: class names, labels, and a stream of images in any order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import category, normalize

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

from subtuning.errors import UserError, listed
from subtuning.tasks.labels import have_several, label_counts

PARTS = ("train", "val", "test")

_NO_TEXT = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, halves of characters (broken UTF-8 in a file name) and line ends."""


class Item(NamedTuple):
    """One image on its way to row `row` of part `part`.

    `payload` is a file path, encoded bytes, or a uint8 array H x W x C; `name` is what an error message calls it.
    """

    part: str
    row: int
    name: str
    payload: Path | bytes | np.ndarray


@dataclass(frozen=True)
class Source:
    """A labelled image set before conversion.

    `labels` maps each of train, val, test to int64 N, or to uint8 N x C of 0 and 1 where an image may have several;
    `items` opens the stream of `Item`, each row of each part exactly once. `image_size` is (H, W, C) when every image
    is known to have it, and None when sizes differ. `decode` turns a path or bytes into a uint8 array H x W x C with
    C = `channels`, or into an RGB image of Pillow's; None if every payload is an array. `warnings` are sentences about
    what is odd but can be used.
    """

    classes: tuple[str, ...]
    labels: dict[str, np.ndarray]
    items: Callable[[], Iterator[Item]]
    image_size: tuple[int, int, int] | None
    decode: Callable[[Path | bytes], "np.ndarray | Image"] | None
    channels: int = 3
    about: dict[str, object] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def multilabel(self) -> bool:
        """Whether an image may have several labels, or none."""
        return have_several(self.labels["train"])


def check_classes(classes: list[str], where: str) -> tuple[str, ...]:
    """Return the class names.

    Raises `UserError` for fewer than two, for one that is empty or no text, and for two that look the same.
    """
    if len(classes) < 2:
        found = f"only the class {classes[0]!r}" if classes else "no class"
        raise UserError(f"{where} holds {found}; a classification task needs at least two")
    broken = [name for name in classes if any(category(char) in _NO_TEXT for char in name)]
    if broken:
        raise UserError(f"{where} has class names that are not one line of text: {listed(broken)}; rename them")
    if "" in (bare := [name.strip() for name in classes]):
        raise UserError(f"{where} has an empty name for class {bare.index('') + 1}; give every class a name")
    twice = sorted({name for name in classes if classes.count(name) > 1}) if len(set(classes)) < len(classes) else []
    if twice:
        raise UserError(f"{where} names these classes twice: {listed(twice)}; give every class its own name")
    _check_unlike(classes, where)
    return tuple(classes)


def _check_unlike(classes: list[str], where: str) -> None:
    """Cat and cat are one class that was written in two ways. Single letters may differ in case: both can be read."""
    first: dict[str, str] = {}
    alike = []
    for name in classes:
        bare = normalize("NFC", " ".join(name.split()))
        other = first.setdefault(bare if len(bare) == 1 else bare.casefold(), name)
        if other != name:
            alike.append(f"{other!r} and {name!r}")
    if alike:
        raise UserError(
            f"{where} has class names that differ only in case, blanks or the Unicode form of a letter: "
            f"{listed(alike)}; make them one class, or give them unlike names"
        )


def check_labels(labels: np.ndarray, classes: int, where: str) -> np.ndarray:
    """Return `labels` (N) as int64; raises `UserError` if one is not a whole number from 0 to `classes` - 1."""
    check_label_kind(labels.shape, labels.dtype, where)
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(outside):
        wrong = listed(f"{labels[i]} (row {i})" for i in outside)
        raise UserError(f"{where} has {len(outside)} labels outside 0 to {classes - 1}: {wrong}")
    return labels.astype(np.int64)


def check_label_kind(shape: tuple[int, ...], dtype: np.dtype, where: str) -> None:
    """Raise `UserError` unless labels of this shape and type are a list of whole numbers."""
    many = "; an image can have only one label" if len(shape) > 1 else ""
    if len(shape) != 1 or dtype.kind not in "iu":
        raise UserError(f"{where} must be a one-dimensional array of whole numbers, not {dtype} {shape}{many}")


def number_classes(labels: np.ndarray, where: str) -> tuple[tuple[str, ...], np.ndarray, list[str]]:
    """Classes for whole numbers from 0 that have no names: those that occur, called as they are.

    Returns the classes, the labels (int64 N) as places in them, and a warning if they begin at 1 or have gaps.
    """
    values, places = np.unique(labels, return_inverse=True)
    classes = check_classes([str(value) for value in values], where)
    missing = np.setdiff1d(np.arange(values.max() + 1), values)
    words = f"{where}: no image has the label {listed(missing, 5)}; the classes are the {len(values)} labels that occur"
    return classes, places.astype(np.int64), [words] if len(missing) else []


def label_warnings(source: Source) -> list[str]:
    """One sentence for each way in which classes lack the images to be learned or tested."""
    counts = {part: np.array(label_counts(labels, len(source.classes))) for part, labels in source.labels.items()}
    learned, tested = counts["train"] + counts["val"], counts["test"]
    kinds = {
        "have no image at all (labels that begin at 1, or names that are not used?)": (learned == 0) & (tested == 0),
        "have test images but no other, so that none of these can be recognised": (learned == 0) & (tested > 0),
        "have no test image, so that the test accuracy says nothing about them": (learned > 0) & (tested == 0),
        "have one image in train and val, so that cross-validation cannot both train and score them": learned == 1,
    }
    return [
        f"{wrong.sum()} of {len(wrong)} classes {words}: {listed(source.classes[i] for i in np.flatnonzero(wrong))}"
        for words, wrong in kinds.items()
        if wrong.any()
    ]
