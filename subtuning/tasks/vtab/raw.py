"""What a reader of a published data set returns, and how to make it from arrays or from lists of files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from subtuning.tasks.vtab.files import Member, members, pick
from subtuning.tasks.vtab.order import Key

Wanted = dict[str, np.ndarray]
"""For each split, which of its N examples are wanted (bool N)."""
Payload = Path | bytes | np.ndarray


@dataclass(frozen=True)
class Raw:
    """A data set as published, by TensorFlow Datasets' split names.

    `keys` and `labels` (int64 N) list each split's examples in the reader's own order. `read` streams the wanted ones,
    in whatever order the archive has, as (split, index, payload) with payload as in `source.Item`.
    """

    keys: Mapping[str, Sequence[Key]]
    labels: dict[str, np.ndarray]
    read: Callable[[Wanted], Iterator[tuple[str, int, Payload]]]
    classes: tuple[str, ...]


def raw_of_arrays(
    labels: Mapping[str, Sequence[int]],
    images: Callable[[str, np.ndarray], Iterator[tuple[int, Payload]]],
    classes: tuple[str, ...],
    keys: Mapping[str, Sequence[Key]] | None = None,
) -> Raw:
    """A `Raw` whose `images(split, mask)` gives (index, payload) of the examples that the mask (bool N) wants.

    A key is the example's index where no `keys` are given.
    """

    def read(wanted: Wanted) -> Iterator[tuple[str, int, Payload]]:
        for split, mask in wanted.items():
            yield from ((split, int(i), payload) for i, payload in images(split, mask))

    keys = keys or {split: range(len(own)) for split, own in labels.items()}
    return Raw(keys, {split: np.asarray(own, np.int64) for split, own in labels.items()}, read, classes)


def raw_of_files(
    path: Path,
    splits: dict[str, list[tuple[str, str, int]]],
    classes: tuple[str, ...],
    files: Callable[[Path], Iterator[Member]] = members,
) -> Raw:
    """A `Raw` from lists of (key, member name, label) a split, whose images are among the `files` of `path`."""

    def read(wanted: Wanted) -> Iterator[tuple[str, int, Payload]]:
        places = {splits[split][i][1]: (split, int(i)) for split, mask in wanted.items() for i in np.flatnonzero(mask)}
        for member in pick(path, set(places), files):
            yield *places[member.name], member.payload()

    return Raw(
        keys={split: [key for key, _, _ in rows] for split, rows in splits.items()},
        labels={split: np.array([label for _, _, label in rows], np.int64) for split, rows in splits.items()},
        read=read,
        classes=classes,
    )
