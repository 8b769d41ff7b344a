"""Images that are the same: which stored images have equal pixels, what that harms, and what `copies: drop` removes.

Compared is the stored uint8 image, since that is all that a network gets to see: one picture saved as PNG and as WebP
without loss is the same image, and so are two that become equal when they are shrunk to the stored size.
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from subtuning.tasks.source import PARTS

_GLANCE = 1024
"""Bytes from the middle of every image that are looked at first; the whole is read only where these are equal."""

EXAMPLES = 5
"""How many images of each kind are named."""


class _Part(NamedTuple):
    """An open `images.npy`: where its first image begins, and its numbers of bytes an image and of images."""

    file: int
    start: int
    size: int
    count: int

    def digests(self, rows: np.ndarray, length: int) -> np.ndarray:
        """SHA-256 of the `length` bytes in the middle of each of the images `rows`."""
        first = self.start + (self.size - length) // 2
        places = (first + row * self.size for row in rows.tolist())
        return np.fromiter((sha256(os.pread(self.file, length, at)).digest() for at in places), "S32", len(rows))


def same_images(folder: Path, parts: Sequence[str] = PARTS) -> np.ndarray:
    """For each image of `parts`, one part after another, the position of the first image with the same pixels (N).

    Without copies this is 0 to N - 1. `folder` is that of a converted task. It is read with plain reads: a memory map
    would keep in memory all that it has read.
    """
    with ExitStack() as stack:
        opened = [_open(stack, folder / part / "images.npy") for part in parts]
        ends = np.cumsum([part.count for part in opened])
        alike = _first(
            np.concatenate([part.digests(np.arange(part.count), min(part.size, _GLANCE)) for part in opened])
        )
        same = np.arange(len(alike))
        suspect = np.flatnonzero(np.bincount(alike, minlength=len(alike))[alike] > 1)
        of_part = np.split(suspect, np.searchsorted(suspect, ends[:-1]))
        whole = [
            part.digests(positions - end + part.count, part.size)
            for part, positions, end in zip(opened, of_part, ends, strict=True)
        ]
        same[suspect] = suspect[_first(np.concatenate(whole))]
    return same


def _open(stack: ExitStack, file: Path) -> _Part:
    images = np.load(file, mmap_mode="r")
    handle = stack.enter_context(file.open("rb")).fileno()
    return _Part(handle, images.offset, int(np.prod(images.shape[1:])), len(images))


def _first(values: np.ndarray) -> np.ndarray:
    """For each of N values the position of the first that equals it."""
    _, first, which = np.unique(values, return_index=True, return_inverse=True)
    return first[which]


def count_copies(same: np.ndarray, labels: dict[str, np.ndarray], names: dict[str, list[str]]) -> dict:
    """What `task.json` holds about copies: numbers of images and a few names.

    Args:
        same: what `same_images` found, over all parts.
        labels: of each part, int64.
        names: what a user calls the images of each part.

    Returns:
        `test`: images of test that train or val have as well; `val`: images of val that train has as well; `repeated`:
        images of train and val that repeat an earlier one of them; `conflicts`: images (each counted once, however
        often it occurs) that have several labels; `examples`: some of each, each with the names of its first copies.
    """
    part = np.repeat(np.arange(len(PARTS)), [len(labels[name]) for name in PARTS])
    label = np.concatenate([labels[name] for name in PARTS])
    start = np.cumsum([0, *(len(labels[name]) for name in PARTS)])
    again = np.flatnonzero(same != np.arange(len(same)))
    train, learned = (np.isin(same, same[part <= last]) for last in (0, 1))
    found = {
        "test": np.flatnonzero((part == 2) & learned),
        "val": np.flatnonzero((part == 1) & train),
        "repeated": again[part[again] < 2],
        "conflicts": np.unique(same[again[label[again] != label[same[again]]]]),
    }

    def named(row: int) -> list[str]:
        copies = np.flatnonzero(same == same[row])
        shown = dict.fromkeys([int(copies[0]), int(row), *map(int, copies)])
        return [f"{PARTS[part[i]]}: {names[PARTS[part[i]]][i - start[part[i]]]}" for i in list(shown)[:3]]

    examples = {kind: [named(row) for row in rows[:EXAMPLES]] for kind, rows in found.items() if len(rows)}
    return {kind: len(rows) for kind, rows in found.items()} | {"examples": examples}


def rows_to_keep(same: np.ndarray, labels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows of train and val that `copies: drop` leaves; test stays as it is.

    Dropped are images that test has as well, all copies of an image that has several labels in train and val (nobody
    knows which is right), and of other copies all but the first.
    """
    sizes = [len(labels[name]) for name in PARTS]
    learning, test = same[: sizes[0] + sizes[1]], same[sizes[0] + sizes[1] :]
    label = np.concatenate([labels["train"], labels["val"]])
    doubtful = learning[label != label[learning]]  # the first copy of whatever is learned is in train or val itself
    keep = (learning == np.arange(len(learning))) & ~np.isin(learning, test) & ~np.isin(learning, doubtful)
    return {"train": np.flatnonzero(keep[: sizes[0]]), "val": np.flatnonzero(keep[sizes[0] :])}


def copy_sentences(facts: dict) -> list[str]:
    """What a reader of results must know about copies: a sentence for each kind that the task of `task.json` has."""
    copies, counts = facts.get("copies", {}), facts["counts"]
    words = {
        "test": f"of {counts['test']:,} test images are in train or val as well, so test accuracy is partly memory",
        "val": f"of {counts['val']:,} val images are in train as well",
        "repeated": "images of train and val repeat others; copies stay in one fold of the cross-validation",
        "conflicts": "different images have several labels",
    }
    found = [
        f"{copies[kind]:,} {text} ({_named([' = '.join(group) for group in copies['examples'][kind]], copies[kind])})"
        for kind, text in words.items()
        if copies.get(kind)
    ]
    lost = [
        f"{dropped['images']:,} of {part} ({_named(dropped['examples'], dropped['images'])})"
        for part, dropped in copies.get("dropped", {}).items()
        if dropped["images"]
    ]
    return found + ([f"copies: drop left out {' and '.join(lost)}"] if lost else [])


def _named(examples: list[str], count: int) -> str:
    return ", ".join(examples) + (f", and {count - len(examples):,} more" if count > len(examples) else "")
