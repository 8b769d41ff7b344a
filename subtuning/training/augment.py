"""Batched augmentation on the device, seeded by the position in the training, so that a resumed run repeats nothing."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
"""Area and aspect ratio of random crops, as in torchvision's RandomResizedCrop (Inception)."""


def flip(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Mirror each image (N x C x H x W) with probability one half."""
    chosen = torch.from_numpy(rng.random(len(images)) < 0.5).to(images.device)
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def random_resized_crop(images: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    """Cut a random box out of each image and resize it to size x size, bilinear.

    Args:
        images: N x C x H x W, float.

    Returns:
        N x C x size x size. Area and ratio are drawn as in torchvision's RandomResizedCrop; a box that does not fit is
        cut down to the image instead of being drawn again.
    """
    count, _, height, width = images.shape
    area = rng.uniform(*SCALE, count)
    ratio = np.exp(rng.uniform(*np.log(RATIO), count))
    tall = np.minimum(np.sqrt(area * height * width / ratio) / height, 1.0)
    wide = np.minimum(np.sqrt(area * height * width * ratio) / width, 1.0)
    top, left = rng.random(count) * (1 - tall), rng.random(count) * (1 - wide)
    # affine_grid measures in half image sides from the centre
    zeros = np.zeros(count)
    theta = np.stack(
        [np.stack([wide, zeros, 2 * left + wide - 1], 1), np.stack([zeros, tall, 2 * top + tall - 1], 1)], 1
    )
    theta = torch.from_numpy(theta).to(images.device, images.dtype)
    grid = F.affine_grid(theta, [count, images.shape[1], size, size], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
