"""Published data sets of small images, as torchvision downloads them, in a `.npz` file that `source: arrays` reads."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from subtuning.errors import UserError, printable
from subtuning.tasks.splits import take

SETS = {
    "cifar10": ("CIFAR10", "train"),
    "cifar100": ("CIFAR100", "train"),
    "fashion_mnist": ("FashionMNIST", "train"),
    "kmnist": ("KMNIST", "train"),
    "mnist": ("MNIST", "train"),
    "stl10": ("STL10", "split"),
    "svhn": ("SVHN", "split"),
}
"""Our name -> torchvision's class, and its word for the part (`train` is true or false). All have one image size."""


def download(
    name: str, out: Path, folder: Path, counts: dict[str, int | None], listed: Path | None = None
) -> dict[str, int]:
    """Write x_train, y_train, x_test, y_test and class_names of a data set to the file `out`, in one step.

    Args:
        name: one of `SETS`.
        folder: where torchvision puts, or finds, the published files.
        counts: of `train` and `test`, how many images are taken: a stratified draw that is the same everywhere; None
            takes all.
        listed: a file that names images, as `write_list` makes it; exactly those are taken, in its order.

    Returns:
        the number of images of each part.

    Raises:
        UserError: there is no network, there are fewer images, or a listed one is not among them.
    """
    arrays: dict[str, np.ndarray] = {}
    wanted = _read_list(listed) if listed else {}
    classes = None
    for part in ("train", "test"):
        data = _opened(name, part, folder)
        labels = np.asarray(data.labels if hasattr(data, "labels") else data.targets, np.int64)
        images = _images(data.data)
        if wanted:
            rows = _places(wanted[part], _names(images, labels), f"{listed}: the {part} part of {name}")
        else:
            rows = _draw(labels, counts.get(part), name, part)
        arrays |= {f"x_{part}": images[rows], f"y_{part}": labels[rows]}
        classes = classes or getattr(data, "classes", None)
    if classes:
        arrays["class_names"] = np.array(classes)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # NumPy's stubs take them for its own key
    partial.replace(out)
    return {part: len(arrays[f"y_{part}"]) for part in ("train", "test")}


def write_list(arrays: Path, out: Path) -> None:
    """Name the images of a `.npz` file in the order that they have there: a line `part name` each."""
    with np.load(arrays) as data:
        lines = [f"{part} {one}" for part in ("train", "test") for one in _names(data[f"x_{part}"], data[f"y_{part}"])]
    out.write_text("\n".join(lines) + "\n")


def _names(images: np.ndarray, labels: np.ndarray) -> list[str]:
    """Of each image, the first 12 digits of the SHA-256 of its pixels and its label: CIFAR-100 has one picture twice,
    with two labels."""
    pairs = zip(images, labels.tolist(), strict=True)
    return [hashlib.sha256(image.tobytes() + f" {label}".encode()).hexdigest()[:12] for image, label in pairs]


def _read_list(file: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"train": [], "test": []}
    try:
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            part, _, name = line.partition(" ")
            if part not in found or len(name) != 12:
                raise UserError(f"{file}: line {number} must be `train` or `test` and 12 digits of an image")
            found[part].append(name)
        if missing := [part for part, names in found.items() if not names]:
            raise UserError(f"{file} names no image of the {missing[0]} part")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read as a list of images ({printable(str(error))[:200]})") from None
    return found


def _places(wanted: Sequence[str], names: Sequence[str], what: str) -> np.ndarray:
    """Where each named image stands."""
    places = {name: place for place, name in enumerate(names)}
    if missing := [name for name in wanted if name not in places]:
        raise UserError(f"{what} has {len(missing):,} of {len(wanted):,} listed images not; the first is {missing[0]}")
    return np.array([places[name] for name in wanted], np.int64)


def _draw(labels: np.ndarray, count: int | None, name: str, part: str) -> np.ndarray:
    """Rows of a stratified draw; None takes all."""
    if count and count > len(labels):
        raise UserError(f"{name} has {len(labels):,} images in its {part} part, not {count:,}")
    if not count or count == len(labels):
        return np.arange(len(labels))
    return take(labels, count, 0, f"{name}: {part}")[1]


def _opened(name: str, part: str, folder: Path) -> Any:
    from torchvision import datasets

    kind, word = SETS[name]
    try:
        return getattr(datasets, kind)(folder, download=True, **{word: part if word == "split" else part == "train"})
    except Exception as error:  # torchvision has one exception for each server and kind of archive
        raise UserError(
            f"{name} could not be downloaded to {folder} ({printable(f'{type(error).__name__}: {error}')[:200]}); run "
            "this where there is a network, or copy that folder from where there is one"
        ) from None


def _images(data: Any) -> np.ndarray:
    """uint8 N x H x W (x 3), channels last: SVHN and STL-10 have them first."""
    images = np.asarray(data)
    return images.transpose(0, 2, 3, 1) if images.ndim == 4 and images.shape[1] == 3 else images
