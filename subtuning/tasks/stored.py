"""Stored images that are read when they are asked for, so that a task may be larger than the memory."""

import os
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from subtuning.errors import UserError


class StoredImages:
    """The images of one or several `images.npy`, one after another: uint8, N x H x W x C, on the disk.

    Rows are read with positioned reads, straight into the caller's memory: a memory map would count every page that it
    has touched to the process. May be read from several threads at once.
    """

    def __init__(self, files: Sequence[Path]):
        maps = [np.load(file, mmap_mode="r") for file in files]
        self._files, self._starts = list(files), [images.offset for images in maps]
        self._ends = np.cumsum([len(images) for images in maps])
        self._handles = [os.open(file, os.O_RDONLY) for file in files]
        weakref.finalize(self, _close, self._handles)
        self.shape: tuple[int, int, int, int] = (int(self._ends[-1]), *maps[0].shape[1:])
        self._size = int(np.prod(self.shape[1:]))

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of all images."""
        return len(self) * self._size

    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        """One image, or those at some rows, in memory."""
        chosen = np.arange(len(self))[rows]
        found = np.empty((np.size(chosen), *self.shape[1:]), np.uint8)
        self.read(np.atleast_1d(chosen), found)
        return found if np.ndim(chosen) else found[0]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """All images, in memory."""
        return self[:].astype(dtype or np.uint8, copy=False)

    def read(self, rows: np.ndarray, into: np.ndarray) -> None:
        """Read the images at B rows, in their order, into a contiguous uint8 array B x H x W x C.

        Raises:
            UserError: a file has become shorter since it was opened.
        """
        parts = np.searchsorted(self._ends, rows, side="right")
        breaks = np.flatnonzero((np.diff(rows) != 1) | (np.diff(parts) != 0)) + 1  # neighbours are one read
        memory = into.reshape(-1).data
        for first, last in zip([0, *breaks], [*breaks, len(rows)], strict=True):
            if first < last:
                self._read(int(parts[first]), int(rows[first]), memory[first * self._size : last * self._size])

    def _read(self, part: int, row: int, memory: memoryview) -> None:
        row -= int(self._ends[part - 1]) if part else 0
        place = self._starts[part] + row * self._size
        while len(memory):
            count = os.preadv(self._handles[part], [memory], place)
            if not count:
                raise UserError(f"{self._files[part]} ends too early; convert the task again")
            memory, place = memory[count:], place + count


def _close(handles: Sequence[int]) -> None:
    for handle in handles:
        os.close(handle)
