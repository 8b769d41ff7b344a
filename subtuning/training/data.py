"""Images on the device as uint8, turned into normalised batches there."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from subtuning.runs.identity import Backbone, Split
from subtuning.runs.labelled import labelled_rows
from subtuning.tasks import Task
from subtuning.tasks.source import PARTS
from subtuning.tasks.stored import StoredImages
from subtuning.training.augment import flip, random_resized_crop
from subtuning.training.resize import central

CHUNK = 1024
"""Images read at once on their way to the device."""


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
        pixels: uint8, R x H x W x C (C is 1 or 3), on the device; those elsewhere are brought there batch by batch.
        labels: int64, R; of a multi-label task uint8, R x C.
        chosen: which of the R rows these N images are; None for all.
    """

    pixels: Tensor | StoredImages | np.ndarray
    labels: np.ndarray
    backbone: Backbone
    device: torch.device
    dtype: torch.dtype = torch.float32
    chosen: np.ndarray | None = None

    def on_device(self) -> "Images":
        """The same images held on the device, for parts that are used in every epoch."""
        pixels = torch.empty((self.rows, *self.pixels.shape[1:]), dtype=torch.uint8, device=self.device)
        for start in range(0, self.rows, CHUNK):
            rows = np.arange(start, min(start + CHUNK, self.rows))
            pixels[start : start + CHUNK] = self.read(rows)
        return replace(self, pixels=pixels)

    def part(self, chosen: np.ndarray | None) -> "Images":
        """Some of these images, by row, sharing their memory; None for all."""
        return replace(self, chosen=chosen)

    @property
    def rows(self) -> int:
        """How many images the pixels hold, whether chosen or not."""
        return len(self.labels)

    def __len__(self) -> int:
        return len(self.labels if self.chosen is None else self.chosen)

    def rows_of(self, positions: np.ndarray) -> np.ndarray:
        """The rows of images at positions 0 to N - 1."""
        return positions if self.chosen is None else self.chosen[positions]

    def labels_at(self, rows: np.ndarray) -> Tensor:
        """The labels of B rows, on the device: B, or B x C of a multi-label task."""
        return torch.from_numpy(self.labels[rows]).to(self.device, non_blocking=True)

    def batch(self, positions: np.ndarray, augmentation: str = "none", rng: np.random.Generator | None = None):
        """Some images and labels, ready for the network.

        Args:
            positions: of B images, 0 to N - 1.
            augmentation: `none`, `flip` or `crop`.
            rng: source of the augmentation's randomness; None leaves it out.

        Returns:
            images B x 3 x S x S, brought to the input size and normalised; labels B.
        """
        rows = self.rows_of(positions)
        return self.pixels_at(rows, augmentation, rng), self.labels_at(rows)

    def read(self, rows: np.ndarray) -> Tensor:
        """The stored bytes of B rows: uint8 B x H x W x C, on the device if they are held there."""
        if isinstance(self.pixels, Tensor):
            return self.pixels[torch.from_numpy(rows).to(self.pixels.device, non_blocking=True)]
        shape, pinned = (len(rows), *self.pixels.shape[1:]), self.device.type == "cuda"  # a GPU copies these by itself
        found = torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)
        if isinstance(self.pixels, StoredImages):
            self.pixels.read(rows, found.numpy())
        else:
            found.numpy()[:] = self.pixels[rows]
        return found

    def pixels_at(
        self,
        rows: np.ndarray,
        augmentation: str = "none",
        rng: np.random.Generator | None = None,
        read: Tensor | None = None,
    ) -> Tensor:
        """The images of B rows (see `batch`); `read` are their bytes, where these are at hand."""
        pixels = (self.read(rows) if read is None else read).to(self.device, non_blocking=True)
        images = pixels.permute(0, 3, 1, 2).to(self.dtype).div_(255)
        seen = self.backbone
        if rng and augmentation == "crop":
            images = random_resized_crop(images, seen.input_size, rng, seen.interpolation)
        else:
            images = central(images, seen.input_size, seen.interpolation, seen.crop)
        if rng and augmentation != "none":
            images = flip(images, rng)
        # convolutions run faster on the layout in which the pixels are stored, with channels last
        return self._normalise(images).contiguous(memory_format=torch.channels_last)

    def _normalise(self, images: Tensor) -> Tensor:
        mean, std = _statistics(self.backbone.mean, self.backbone.std, self.device, self.dtype)
        return (images - mean) / std  # a single gray channel becomes three here, by broadcasting


@lru_cache(maxsize=4)
def _statistics(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Both as 3 x 1 x 1 on the device; kept there, since a GPU is waited for when a list of numbers is sent to it."""
    first, second = (torch.tensor(values, device=device, dtype=dtype)[:, None, None] for values in (mean, std))
    return first, second


def source_of(split: Split) -> str:
    """The images that a split trains on: `train`, `trainval` (of which a fold may be held out), or `all`."""
    return {"val": "train", "all": "all"}.get(split.kind, "trainval")


def load_source(
    name: str, task: Task, backbone: Backbone, device: torch.device, dtype: torch.dtype = torch.float32
) -> Images:
    """All images of `train`, `val`, `test`, `trainval` or `all`, on the disk until they are read."""
    parts = {"trainval": ("train", "val"), "all": PARTS}.get(name, (name,))
    return Images(*task.stored(*parts), backbone, device, dtype)


def images_of(split: Split, training: Images, task: Task) -> tuple[Images, Images]:
    """The training and the scored images of a split (see `runs.identity.Split`), out of its source.

    A run on all images looks at those of the test for its predictions alone, by which its delivery is checked.
    """
    if split.folds is not None and split.fold is not None:
        kept, held = task.folds(split.folds)[split.fold]
        return training.part(kept), training.part(held)
    if split.labelled:
        known, unknown = labelled_rows(split.labelled, training.rows)
        training, rest = training.part(known), training.part(unknown)
        if split.kind == "pool":
            return training, rest
    scored = "test" if split.kind == "all" else split.kind
    return training, load_source(scored, task, training.backbone, training.device, training.dtype)
