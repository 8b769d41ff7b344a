"""Batched augmentation on the device, seeded by the position in the training, so that a resumed run repeats nothing."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
"""Area and aspect ratio of random crops, as in torchvision's RandomResizedCrop (Inception)."""


class Boxes(NamedTuple):
    """A box in each of N images of one size, in whole pixels: int64 arrays of N."""

    top: np.ndarray
    left: np.ndarray
    tall: np.ndarray
    wide: np.ndarray


def flip(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Mirror each image (N x C x H x W) with probability one half."""
    chosen = torch.from_numpy(rng.random(len(images)) < 0.5).to(images.device, non_blocking=True)
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def random_resized_crop(images: Tensor, size: int, rng: np.random.Generator, interpolation: str = "bilinear") -> Tensor:
    """Cut a random box out of each image (N x C x H x W, float from 0 to 1) and resize it: N x C x size x size."""
    count, _, height, width = images.shape
    return crop_and_resize(images, random_boxes(count, height, width, rng), size, interpolation)


def random_boxes(count: int, height: int, width: int, rng: np.random.Generator) -> Boxes:
    """Boxes whose area and ratio are drawn as in torchvision's RandomResizedCrop.

    A box that does not fit is cut down to the image instead of being drawn again.
    """
    area = rng.uniform(*SCALE, count) * height * width
    low, high = np.log(RATIO)
    ratio = np.exp(rng.uniform(low, high, count))
    tall = np.clip(np.rint(np.sqrt(area / ratio)), 1, height).astype(np.int64)
    wide = np.clip(np.rint(np.sqrt(area * ratio)), 1, width).astype(np.int64)
    top = (rng.random(count) * (height - tall + 1)).astype(np.int64)
    left = (rng.random(count) * (width - wide + 1)).astype(np.int64)
    return Boxes(top, left, tall, wide)


def crop_and_resize(images: Tensor, boxes: Boxes, size: int, interpolation: str) -> Tensor:
    """Each image's box, resized with antialiasing, as scored images are and as torchvision's `resized_crop` does it.

    Resizing is linear in the pixels and goes one axis at a time, so two matrix products for each image are exact.
    Values stay from 0 to 1 after each, as in `resize`.

    Args:
        images: N x C x H x W, float.
        interpolation: a key of `FILTERS`, or `nearest`.

    Returns:
        N x C x size x size.
    """
    count, channels, height, width = images.shape
    down, right = (
        _weights(torch.from_numpy(edges).to(images, non_blocking=True), whole, size, interpolation)
        for edges, whole in ((np.stack(boxes[::2]), height), (np.stack(boxes[1::2]), width))
    )
    rows = (images.reshape(count, channels * height, width) @ right.mT).clamp_(0, 1)
    rows = rows.view(count, channels, height, size).transpose(1, 2).reshape(count, height, channels * size)
    return (down @ rows).clamp_(0, 1).view(count, size, channels, size).permute(0, 2, 1, 3)


def _weights(edges: Tensor, whole: int, size: int, interpolation: str) -> Tensor:
    """What each pixel of one axis adds to each pixel of the result: N x size x whole.

    The filter is as wide as a pixel of the result where that is larger than the image's own, and ends at the box.

    Args:
        edges: 2 x N, where each box begins and how long it is, in pixels.
    """
    begin, length = edges[:, :, None, None]
    scale = length / size
    pixel = torch.arange(whole, dtype=edges.dtype, device=edges.device) - begin
    centre = scale * (torch.arange(size, dtype=edges.dtype, device=edges.device)[:, None] + 0.5)
    if interpolation == "nearest":
        return (pixel == centre.floor()).to(edges)
    weights = FILTERS[interpolation]((pixel + 0.5 - centre).div_(scale.clamp(min=1)).abs_())
    weights *= (pixel >= 0) & (pixel < length)
    return weights.div_(weights.sum(2, keepdim=True))


def _triangle(distance: Tensor) -> Tensor:
    return (1 - distance).clamp_(min=0)


def _cubic(distance: Tensor) -> Tensor:
    """Keys' cubic convolution with a = -0.5, as in Pillow and in torch's antialiased resizing."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return torch.where(distance < 1, near, torch.where(distance < 2, far, 0))


FILTERS = {"bilinear": _triangle, "bicubic": _cubic}
"""Interpolation -> weight by the distance, in pixels of the coarser of both grids."""
