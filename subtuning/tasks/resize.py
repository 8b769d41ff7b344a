"""Resizing one image to a square, by name, so that the choice can be written into `task.json`."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image


def resize(image: "np.ndarray | Image", height: int, width: int, how: str) -> np.ndarray:
    """Resize a uint8 array H x W x C (C is 1 or 3) or a Pillow image to height x width x C, whatever the aspect ratio.

    `bilinear` and `bicubic` are Pillow's antialiased filters. `bilinear_plain` takes the four nearest pixels whatever
    the scale (no antialiasing); `legacy_bilinear` does so on the pixel grid of `tf.compat.v1.image.resize`, which is
    what the official VTAB code feeds to networks.
    """
    if how in ("bilinear", "bicubic"):
        from PIL import Image

        if isinstance(image, np.ndarray):
            image = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
        return np.asarray(image.resize((width, height), Image.Resampling[how.upper()])).reshape(height, width, -1)
    return np.rint(interpolate(np.asarray(image), height, width, half_pixel=how == "bilinear_plain")).astype(np.uint8)


def interpolate(image: np.ndarray, height: int, width: int, half_pixel: bool) -> np.ndarray:
    """Four-pixel bilinear interpolation of H x W x C to float32 height x width x C in the image's own value range.

    An output pixel o looks at the input position (o + 0.5) * scale - 0.5 if `half_pixel`, else at o * scale, as
    TensorFlow 1 does with `half_pixel_centers=False`. Positions outside the image are moved to its edge.
    """
    top, bottom, down = _taps(height, image.shape[0], half_pixel)
    left, right, across = _taps(width, image.shape[1], half_pixel)
    down, across = down[:, None, None], across[None, :, None]
    above, below = image[top].astype(np.float32), image[bottom].astype(np.float32)
    upper = above[:, left] + (above[:, right] - above[:, left]) * across
    lower = below[:, left] + (below[:, right] - below[:, left]) * across
    return upper + (lower - upper) * down


def _taps(out: int, size: int, half_pixel: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of `out` positions: the pixel before, the pixel after, and how far (0-1) it lies between them."""
    scale = np.float32(size) / np.float32(out)
    position = np.arange(out, dtype=np.float32)
    position = (position + np.float32(0.5)) * scale - np.float32(0.5) if half_pixel else position * scale
    position = np.clip(position, 0, size - 1)
    before = np.floor(position).astype(np.int64)
    return before, np.minimum(before + 1, size - 1), (position - before).astype(np.float32)
