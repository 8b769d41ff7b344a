"""OpenCV's bilinear resize and Gaussian blur of uint8 images, to the last bit, without OpenCV.

The published retinopathy images are what these two make of the photographs, times four: a difference of one gray level
here would be four there. OpenCV computes both in fixed-point numbers (imgproc/src/resize.cpp, smooth.dispatch.cpp); the
formulas below give the same bits as OpenCV 5.0 (measured; see docs/vtab1k.md).
"""

import numpy as np

_ONE = 2048
"""One in the resize's weights (11 bits)."""


def resize(image: np.ndarray, factor: float) -> np.ndarray:
    """`cv2.resize(image, None, fx=factor, fy=factor)` of uint8 H x W x C: bilinear, no antialiasing."""
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    if factor == 0.5:
        return _halved(image, height, width)
    top, bottom, upper, lower = _taps(height, image.shape[0], 1 / factor, edges=False)
    left, right, before, after = _taps(width, image.shape[1], 1 / factor, edges=True)

    def across(rows: np.ndarray) -> np.ndarray:
        lines = image[rows]  # only rows that are used: a photograph of 15 megapixels would fill 180 MB as int32
        return (lines[:, left] * before[:, None] + lines[:, right] * after[:, None]) >> 4

    total = (upper[:, None, None] * across(top) >> 16) + (lower[:, None, None] * across(bottom) >> 16)
    return ((total + 2) >> 2).astype(np.uint8)


def _halved(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """A special case in OpenCV: the mean of four pixels, rounded up at one half."""
    rows = np.pad(image, ((0, 1), (0, 1), (0, 0)), mode="edge").astype(np.int32)[: 2 * height, : 2 * width]
    return ((rows[::2, ::2] + rows[::2, 1::2] + rows[1::2, ::2] + rows[1::2, 1::2] + 2) >> 2).astype(np.uint8)


def _taps(out: int, size: int, scale: float, edges: bool) -> tuple[np.ndarray, ...]:
    """For each of `out` positions: the pixel before, the pixel after, and their weights.

    With `edges`, a position outside the image takes the edge pixel alone, as OpenCV does across but not down: there it
    adds up two products of the same pixel, each rounded down.
    """
    position = ((np.arange(out) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(position).astype(np.int64)
    share = (position - first).astype(np.float32)
    if edges:
        share[(first < 0) | (first >= size - 1)] = 0
    weights = (np.rint(weight * np.float32(_ONE)).astype(np.int32) for weight in (np.float32(1) - share, share))
    return np.clip(first, 0, size - 1), np.clip(first + 1, 0, size - 1), *weights


def gaussian_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """`cv2.GaussianBlur(image, (0, 0), sigma)` of uint8 H x W x C; edges are mirrored, the edge pixel once."""
    from scipy.ndimage import correlate1d

    kernel = _kernel(sigma)
    # Whole numbers below 2 ** 24, which float32 holds exactly.
    blurred = correlate1d(image.astype(np.float32), kernel, axis=1, mode="mirror")
    blurred = correlate1d(blurred, kernel, axis=0, mode="mirror")
    return ((blurred.astype(np.int32) + (1 << 15)) >> 16).astype(np.uint8)


def _kernel(sigma: float) -> np.ndarray:
    """The Gaussian in 256ths: rounded from the ends inwards, each error passed on, the rest in the middle."""
    half = (round(sigma * 6 + 1) | 1) // 2
    exact = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * sigma**2))
    exact *= 256 / exact.sum()
    kernel, error = np.zeros(2 * half + 1, np.int64), 0.0
    for i in range(half):
        kernel[i] = kernel[-1 - i] = round(exact[i] + error)
        error += exact[i] - kernel[i]
    kernel[half] = 256 - kernel.sum()
    return kernel
