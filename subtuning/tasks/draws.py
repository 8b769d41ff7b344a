"""Fewer training images: stratified draws that are nested, for what depends on the size of the training set."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from subtuning.errors import UserError
from subtuning.tasks.labels import have_several
from subtuning.tasks.source import Item, Source
from subtuning.tasks.splits import hash_rank


def draw(source: Source, count: int, seed: int) -> Source:
    """The same source with `count` of its train and val images together; test stays whole.

    Raises:
        UserError: there are fewer; an image may have several labels.
    """
    sizes = [len(source.labels[part]) for part in ("train", "val")]
    if count > sum(sizes):
        raise UserError(f"train_images is {count}, but train and val have {sum(sizes)} images; use at most that")
    if have_several(source.labels["train"]):
        raise UserError("train_images is for tasks whose images have one label; leave it out, and give fewer images")
    labels = np.concatenate([source.labels["train"], source.labels["val"]])
    chosen = np.sort(order(labels, np.repeat([0, 1], sizes), seed)[:count])
    kept = {"train": chosen[chosen < sizes[0]], "val": chosen[chosen >= sizes[0]] - sizes[0]}
    if empty := [part for part, rows in kept.items() if not len(rows)]:
        raise UserError(f"train_images is {count}, so few that {empty[0]} would have no image; use more")
    places = {part: {int(row): place for place, row in enumerate(rows)} for part, rows in kept.items()}

    def items() -> Iterator[Item]:
        for item in source.items():
            if item.part not in places:
                yield item
            elif item.row in places[item.part]:
                yield item._replace(row=places[item.part][item.row])

    fewer = {part: source.labels[part][rows] for part, rows in kept.items()}
    return replace(source, labels=source.labels | fewer, items=items)


def order(labels: np.ndarray, parts: np.ndarray, seed: int) -> np.ndarray:
    """All images (N positions) in an order of which every beginning is stratified, so a larger draw holds a smaller.

    The i-th of a class of m images stands at (i + 1/2) / m, so that a beginning has each class's share, to within an
    image of it; within a class its parts follow each other likewise.
    """
    rank = hash_rank(len(labels), seed)
    groups = np.unique(np.stack([labels, parts]), axis=1, return_inverse=True)[1].reshape(-1)
    inner = np.lexsort((rank, _places(groups, rank), labels))  # class by class, its parts interleaved
    sorted_labels = labels[inner]
    places = np.empty(len(labels))
    places[inner] = _places(sorted_labels, np.arange(len(labels)))
    return np.lexsort((rank, places))


def _places(groups: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """(i + 1/2) / m for the i-th by `rank` of each group of m; (N)."""
    by_group = np.lexsort((rank, groups))
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    places = np.empty(len(groups))
    ordered = groups[by_group]
    places[by_group] = (np.arange(len(groups)) - starts[ordered] + 0.5) / sizes[ordered]
    return places
