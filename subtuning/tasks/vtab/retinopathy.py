"""Diabetic retinopathy: Kaggle's images and the preprocessing of the 2015 competition's winner (`btgraham-300`)."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from subtuning.errors import UserError
from subtuning.tasks.images import decode
from subtuning.tasks.vtab import fixed_point
from subtuning.tasks.vtab.raw import Raw, raw_of_arrays

RADIUS = 300
"""Radius of the eyeball in pixels after scaling; the other numbers below are those of TensorFlow Datasets' builder."""
KEPT = int(RADIUS * 0.9)
SIGMA = RADIUS / 30
REACH = round(3 * SIGMA)
"""Pixels that the Gaussian of width SIGMA reaches to either side."""
JPEG_QUALITY = 72
CLASSES = ("no retinopathy", "mild", "moderate", "severe", "proliferative")


def retinopathy(files: dict[str, Path], scaled: bool) -> Raw:
    """Labels from `trainLabels.csv` (image, level), `retinopathy_solution.csv` (image, level, Usage); key `10_left`."""
    train, solution = files["trainLabels.csv"], files["retinopathy_solution.csv"]
    rows = {"train": _rows(train, None), "validation": _rows(solution, "Public"), "test": _rows(solution, "Private")}
    folders = {"train": "train", "validation": "test", "test": "test"}

    def images(split: str, mask: np.ndarray) -> Iterator[tuple[int, Path]]:
        return ((i, train.parent / folders[split] / f"{rows[split][i][0]}.jpeg") for i in np.flatnonzero(mask))

    labels = {split: [level for _, level in pairs] for split, pairs in rows.items()}
    return raw_of_arrays(labels, images, CLASSES, {split: [name for name, _ in pairs] for split, pairs in rows.items()})


def _rows(path: Path, usage: str | None) -> list[tuple[str, int]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = [row for row in csv.DictReader(file) if usage is None or row["Usage"] == usage]
        return [(row["image"], int(row["level"])) for row in table]
    except (KeyError, ValueError, TypeError, csv.Error):
        raise UserError(f"{path} must be a table with the columns image, level{', Usage' if usage else ''}") from None


def decode_btgraham(source: Path | bytes) -> np.ndarray:
    """Decode a fundus photograph and prepare it as `btgraham-300`: uint8, at most 540 x 540 x 3.

    Scale the eyeball to a radius of 300 pixels, subtract the local average colour, cut to 90 % of the radius, and go
    through JPEG of quality 72 as the published data set does. Raises `ImageError`.
    """
    image = _scaled(decode(source, flatten=False))
    middle = image.shape[0] // 2, image.shape[1] // 2
    window, middle = _around(image, middle, KEPT + REACH)  # what lies further out touches no pixel that is kept
    window, _ = _around(_masked(_local_contrast(window), middle), middle, KEPT)
    return through_jpeg(window, JPEG_QUALITY)


def _around(image: np.ndarray, middle: tuple[int, int], reach: int) -> tuple[np.ndarray, tuple[int, int]]:
    """The part of `image` up to `reach` pixels from `middle` (row, column), and where the middle is in it."""
    top, left = (max(place - reach, 0) for place in middle)
    part = image[top : middle[0] + reach, left : middle[1] + reach]
    return part, (middle[0] - top, middle[1] - left)


def _scaled(image: np.ndarray) -> np.ndarray:
    line = image[image.shape[0] // 2].sum(axis=1, dtype=np.int64)
    radius = float((line > line.mean() / 10).sum()) / 2
    if radius < 1:
        radius = image.shape[0] / 2
    return fixed_point.resize(image, RADIUS / radius)


def _local_contrast(image: np.ndarray) -> np.ndarray:
    """4 x (image - its Gaussian blur) + 128, clipped."""
    blurred = fixed_point.gaussian_blur(image, SIGMA)
    return np.clip(4 * (image.astype(np.int16) - blurred) + 128, 0, 255).astype(np.uint8)


def _masked(image: np.ndarray, middle: tuple[int, int]) -> np.ndarray:
    """Gray (128) outside the circle of the kept radius around the middle."""
    down = np.arange(image.shape[0])[:, None] - middle[0]
    across = np.arange(image.shape[1])[None, :] - middle[1]
    return np.where((down**2 + across**2 <= KEPT**2)[..., None], image, np.uint8(128))


def through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Encode as JPEG (4:2:0) and decode again: some published data sets consist of such second generations."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=2)
    return np.asarray(Image.open(buffer))
