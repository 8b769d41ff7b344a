"""Images on the device as uint8, turned into normalised batches there."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from subtuning.runs.identity import Backbone, Split
from subtuning.tasks import Task, folds
from subtuning.training.augment import flip, random_resized_crop


def batches(count: int, batch_size: int, order: np.ndarray | None = None) -> list[np.ndarray]:
    """Split positions into ceil(count / batch_size) batches whose sizes differ by one at most.

    Even batches keep BatchNorm away from a last batch of one image, and drop nothing.
    """
    positions = np.arange(count) if order is None else order
    return np.array_split(positions, -(-count // batch_size))


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the training images in one epoch: a permutation that depends on seed and epoch alone."""
    return np.random.default_rng([seed, epoch, 0]).permutation(count)


@dataclass
class Images:
    """Labelled images of one part, and how a backbone wants to see them.

    Attributes:
        pixels: uint8, N x H x W x C (C is 1 or 3); a memory map stays on disk, and only the asked-for rows are read.
        labels: int64, N.
    """

    pixels: np.ndarray | Tensor
    labels: np.ndarray
    backbone: Backbone
    device: torch.device
    dtype: torch.dtype = torch.float32

    def on_device(self) -> "Images":
        """The same images held on the device, for parts that are used in every epoch."""
        pixels = torch.from_numpy(np.require(self.pixels, requirements=["C", "W"])).to(self.device)  # no file behind it
        return Images(pixels, self.labels, self.backbone, self.device, self.dtype)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: np.ndarray, augmentation: str = "none", rng: np.random.Generator | None = None):
        """Some images and labels, ready for the network.

        Args:
            rows: positions of B images.
            augmentation: `none`, `flip` or `crop`.
            rng: source of the augmentation's randomness.

        Returns:
            images B x 3 x S x S, resized to the input size and normalised; labels B.
        """
        if isinstance(self.pixels, Tensor):
            pixels = self.pixels[torch.from_numpy(rows).to(self.device)]
        else:
            pixels = torch.from_numpy(np.ascontiguousarray(self.pixels[rows])).to(self.device, non_blocking=True)
        images = pixels.permute(0, 3, 1, 2).to(self.dtype).div_(255)
        size = self.backbone.input_size
        images = random_resized_crop(images, size, rng) if augmentation == "crop" else self._resize(images, size)
        if augmentation != "none":
            images = flip(images, rng)
        labels = torch.from_numpy(self.labels[rows]).to(self.device, non_blocking=True)
        # convolutions run faster on the layout in which the pixels are stored, with channels last
        return self._normalise(images).contiguous(memory_format=torch.channels_last), labels

    def _resize(self, images: Tensor, size: int) -> Tensor:
        if images.shape[-2:] == (size, size):
            return images
        return F.interpolate(
            images, (size, size), mode=self.backbone.interpolation, antialias=True, align_corners=False
        )

    def _normalise(self, images: Tensor) -> Tensor:
        mean = torch.tensor(self.backbone.mean, device=self.device, dtype=self.dtype)[:, None, None]
        std = torch.tensor(self.backbone.std, device=self.device, dtype=self.dtype)[:, None, None]
        return (images - mean) / std  # a single gray channel becomes three here, by broadcasting


def images_of(
    split: Split, task: Task, backbone: Backbone, device: torch.device, dtype: torch.dtype = torch.float32
) -> tuple[Images, Images]:
    """The training and the scored images of a split (see `runs.identity.Split`)."""
    if split.kind == "val":
        pairs = task.part("train"), task.part("val")
    elif split.kind == "test":
        pairs = task.trainval(), task.part("test")
    else:
        images, labels = task.trainval()
        kept, held = folds(labels, split.folds)[split.fold]
        pairs = (images[kept], labels[kept]), (images[held], labels[held])
    train, scored = (Images(pixels, labels, backbone, device, dtype) for pixels, labels in pairs)
    return train, scored
