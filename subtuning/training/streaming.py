"""Images that do not fit into memory: read from the disk while earlier batches are trained on."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from torch import Tensor

from subtuning.training.data import Images

DEPTH = 4
"""Batches that are read before they are asked for; more only hold memory, since the disk is as fast with these."""


class Ahead:
    """Reads the batches of a training in a thread of its own, in the order in which they will be asked for.

    Args:
        rows_of: the rows of a step's images.
        steps: of the whole training.
    """

    def __init__(self, images: Images, rows_of: Callable[[int], np.ndarray], steps: int):
        self.images, self.rows_of, self.steps = images, rows_of, steps
        self._begun: dict[int, Future[Tensor]] = {}
        self._reader = ThreadPoolExecutor(1, "reader")

    def read(self, step: int) -> Tensor:
        """The stored bytes of a step's images (see `Images.read`); begins to read those of the next steps."""
        for following in range(step, min(step + DEPTH + 1, self.steps)):
            if following not in self._begun:
                self._begun[following] = self._reader.submit(self.images.read, self.rows_of(following))
        return self._begun.pop(step).result()
