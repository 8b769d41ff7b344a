"""Batches of stored images brought to the size that a network sees, as timm's evaluation does it."""

import math

import torch.nn.functional as F
from torch import Tensor


def resize(images: Tensor, size: int, interpolation: str) -> Tensor:
    """Resize images (N x C x H x W, float from 0 to 1) to N x C x size x size.

    `bilinear` and `bicubic` are antialiased when they shrink. Bicubic overshoots at edges; like Pillow's bytes, on
    which networks are pretrained, values stay from 0 to 1 after each axis.
    """
    if images.shape[-2:] == (size, size):
        return images
    if interpolation == "nearest":
        return F.interpolate(images, (size, size), mode="nearest-exact")
    for shape in ((images.shape[-2], size), (size, size)):
        images = F.interpolate(images, shape, mode=interpolation, antialias=True, align_corners=False)
        images = images.clamp_(0, 1) if interpolation == "bicubic" else images
    return images


def central(images: Tensor, size: int, interpolation: str, crop: float) -> Tensor:
    """The middle of images (N x C x H x W), `crop` (0-1) of each side, as N x C x size x size.

    The whole image is resized first, to floor(size / crop) pixels a side, and then cut, as in timm's
    `transforms_imagenet_eval` for square images.
    """
    whole = math.floor(size / crop)
    begin = round((whole - size) / 2)  # as torchvision's CenterCrop rounds
    return resize(images, whole, interpolation)[:, :, begin : begin + size, begin : begin + size]
