"""Published data sets of small images, as torchvision downloads them, in a `.npz` file that `source: arrays` reads."""

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


def download(name: str, out: Path, folder: Path, counts: dict[str, int | None]) -> dict[str, int]:
    """Write x_train, y_train, x_test, y_test and class_names of a data set to the file `out`, in one step.

    Args:
        name: one of `SETS`.
        folder: where torchvision puts, or finds, the published files.
        counts: of `train` and `test`, how many images are taken: a stratified draw that is the same everywhere; None
            takes all.

    Returns:
        the number of images of each part.

    Raises:
        UserError: there is no network, or there are fewer images.
    """
    arrays: dict[str, np.ndarray] = {}
    classes = None
    for part in ("train", "test"):
        data = _opened(name, part, folder)
        labels = np.asarray(data.labels if hasattr(data, "labels") else data.targets, np.int64)
        rows = np.arange(len(labels))
        if count := counts.get(part):
            if count > len(rows):
                raise UserError(f"{name} has {len(rows):,} images in its {part} part, not {count:,}")
            rows = rows if count == len(rows) else take(labels, count, 0, f"{name}: {part}")[1]
        arrays |= {f"x_{part}": _images(data.data)[rows], f"y_{part}": labels[rows]}
        classes = classes or getattr(data, "classes", None)
    if classes:
        arrays["class_names"] = np.array(classes)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # NumPy's stubs take them for its own key
    partial.replace(out)
    return {part: len(arrays[f"y_{part}"]) for part in ("train", "test")}


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
