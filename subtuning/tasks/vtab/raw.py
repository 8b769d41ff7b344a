"""What a reader of a published data set returns."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from subtuning.tasks.vtab.order import Key

Wanted = dict[str, np.ndarray]
"""For each split, which of its N examples are wanted (bool N)."""


@dataclass(frozen=True)
class Raw:
    """A data set as published, by TensorFlow Datasets' split names.

    `keys` and `labels` (int64 N) list each split's examples in the reader's own order. `read` streams the wanted ones,
    in whatever order the archive has, as (split, index, payload) with payload as in `source.Item`.
    """

    keys: dict[str, Sequence[Key]]
    labels: dict[str, np.ndarray]
    read: Callable[[Wanted], Iterator[tuple[str, int, Path | bytes | np.ndarray]]]
    classes: tuple[str, ...]
