"""The order in which TensorFlow Datasets stores examples, and the slices of it that VTAB-1k uses."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Key = int | str | bytes


def stored_order(split: str, keys: Sequence[Key]) -> np.ndarray:
    """Positions (int64 N) of `keys` in stored order: ascending MD5 of split name followed by key, digests big-endian.

    Source: tensorflow_datasets/core/hashing.py and shuffle.py (4.9.10; unchanged since 2020), where the split name is
    the salt and integer keys are written in decimal.
    """
    salt = hashlib.md5(split.encode())
    digests = bytearray()
    for key in keys:
        digest = salt.copy()
        digest.update(key if isinstance(key, bytes) else str(key).encode())
        digests += digest.digest()
    halves = np.frombuffer(bytes(digests), dtype=">u8").reshape(-1, 2)
    return np.lexsort((halves[:, 1], halves[:, 0]))


@dataclass(frozen=True)
class Cut:
    """A slice of one TensorFlow Datasets split in stored order.

    It begins at the sum of `percent` (each of N, rounded down, as the official code computes it) and holds `count`
    examples, or all to the end.
    """

    split: str
    percent: tuple[int, ...] = (0,)
    count: int | None = None

    def rows(self, order: np.ndarray) -> np.ndarray:
        """The part of `order` (N) that the cut selects; shorter than `count` if N is too small."""
        start = sum(percent * len(order) // 100 for percent in self.percent)
        return order[start:] if self.count is None else order[start : start + self.count]
