"""Tiny images and image folders for the tests."""

from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, height: int = 9, width: int = 12, channels: int = 3) -> np.ndarray:
    """A reproducible uint8 image H x W x C."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def save(path: Path, image: np.ndarray) -> Path:
    """Write H x W x C as the file type of `path`, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.squeeze()).save(path)
    return path


def class_folders(
    root: Path, classes: int = 3, each: int = 6, height: int = 9, width: int = 12, first: int = 0
) -> Path:
    """`root/c0/0.png` ...: picture number first + 100 * class + i."""
    for label in range(classes):
        for i in range(each):
            save(root / f"c{label}" / f"{i}.png", picture(first + 100 * label + i, height, width))
    return root


def list_folder(root: Path, sizes: tuple[int, int, int] = (6, 3, 4)) -> Path:
    """The community's layout: images/<list>/000000.png, <list>.txt; picture numbers count on, labels alternate."""
    number, both = 0, []
    for name, size in zip(("train800", "val200", "test"), sizes, strict=True):
        lines = []
        for i in range(size):
            path = f"images/{name}/{i:06d}.png"
            save(root / path, picture(number))
            lines.append(f"{path} {number % 2}")
            number += 1
        (root / f"{name}.txt").write_text("\n".join(lines) + "\n")
        both += lines if name != "test" else []
    (root / "train800val200.txt").write_text("\n".join(both) + "\n")
    return root


def npz(path: Path, train: int = 12, test: int = 5, channels: int = 3, **more) -> Path:
    """A `.npz` with random 6 x 7 images; keyword arguments replace or add arrays (None removes)."""
    shape = (6, 7, channels) if channels > 1 else (6, 7)
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (train, *shape), np.uint8),
        "y_train": np.arange(train) % 3,
        "x_test": rng.integers(0, 256, (test, *shape), np.uint8),
        "y_test": np.arange(test) % 3,
    } | more
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})
    return path
