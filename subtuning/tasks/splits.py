"""Deterministic stratified splits and folds that are the same on every machine and with every library version.

Members of a class are ordered by a hash of seed and position, not by a library's random generator: fold membership is
part of what a run's number means, and its identity must not depend on the version of NumPy or scikit-learn.
"""

import hashlib

import numpy as np

from subtuning.errors import UserError
from subtuning.tasks.labels import have_several
from subtuning.tasks.stratify import stratify


def folds(
    labels: np.ndarray, k: int, seed: int = 0, same: np.ndarray | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split N images into `k` stratified folds; returns (training indices, held-out indices), both sorted, for each.

    Images are dealt to the folds like cards, class after class, so that fold sizes differ by at most one and so do the
    numbers of any class. A class with fewer than `k` images (VTAB-1k has some with one) is absent from some folds.
    `same` (see `copies.same_images`; None for no copies) keeps equal images in one fold: the first takes its copies
    along, and the next cards go where there are fewest. Without copies the folds are the same with and without it.
    Labels N x C, of which an image may have several, are dealt by `stratify` instead.
    Raises `UserError` when there are fewer images than folds, or when no class has two images.
    """
    labels = np.asarray(labels)
    different = len(labels) if same is None else len(np.unique(same))
    if k < 2:
        raise UserError(f"folds must be at least 2, not {k}")
    if different < k:
        kind = "images" if different == len(labels) else "different images"
        raise UserError(f"{different} {kind} cannot be split into {k} folds; use at most {different}")
    if _most_images(labels, same) < 2:
        raise UserError("no class has two images, so nothing held out could ever be learned; add images")
    if have_several(labels):
        sizes = [len(part) for part in np.array_split(labels, k)]
        fold = stratify(labels, sizes, hash_rank(len(labels), seed), same)
    else:
        order, fold = np.concatenate(_members(labels, seed)), np.empty(len(labels), np.int64)
        fold[order] = np.arange(len(labels)) % k if same is None else _deal(labels[order], same[order], k)
    return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(k)]


def _most_images(labels: np.ndarray, same: np.ndarray | None) -> int:
    """The number of different images of the class that has most."""
    if have_several(labels):
        return int(labels[slice(None) if same is None else np.unique(same)].sum(0, dtype=np.int64).max())
    pairs = labels if same is None else np.unique(np.stack([labels, same]), axis=1)[0]
    return int(np.unique(pairs, return_counts=True)[1].max())


def _deal(labels: np.ndarray, same: np.ndarray, k: int) -> list[int]:
    """The fold of each of N images, given class by class: that of its copies, else the one with the fewest of its
    class, then with the fewest of all. In a class, many copies come first, so that the others can make up for them.
    Where no image has a copy, the folds are 0, 1 ... k - 1 in turn.
    """
    copies: dict[int, list[int]] = {}
    for label, image in zip(labels.tolist(), same.tolist(), strict=True):
        copies.setdefault(image, []).append(label)
    fold_of: dict[int, int] = {}
    held, held_of = [0] * k, {label: [0] * k for label in set(labels.tolist())}
    for image, its_labels in sorted(copies.items(), key=lambda pair: (pair[1][0], -len(pair[1]))):
        mine = held_of[its_labels[0]]
        chosen = fold_of[image] = min(range(k), key=lambda i: (mine[i], held[i]))
        held[chosen] += len(its_labels)
        for label in its_labels:
            held_of[label][chosen] += 1
    return [fold_of[image] for image in same.tolist()]


def take(labels: np.ndarray, count: int, seed: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Choose `count` of N images, stratified; returns (the other indices, the chosen indices), both sorted.

    Each class gives its share of `count`, rounded by largest remainder, and always keeps at least one image. Labels
    N x C, several an image, are dealt by `stratify` instead. Raises `UserError` (beginning with `where`) when that is
    impossible.
    """
    if have_several(labels):
        if count >= len(labels):
            raise UserError(
                f"{where}: {count} of {len(labels)} images cannot be set aside; use at most {len(labels) - 1}"
            )
        part = stratify(labels, [len(labels) - count, count], hash_rank(len(labels), seed))
        return np.flatnonzero(part == 0), np.flatnonzero(part == 1)
    members = _members(labels, seed)
    sizes = np.array([len(rows) for rows in members])
    if count > (sizes - 1).sum():
        raise UserError(
            f"{where}: {count} of {sizes.sum()} images cannot be set aside, because each of the {len(sizes)} "
            f"classes must keep one; use at most {(sizes - 1).sum()}, or add images"
        )
    quota = count * sizes // sizes.sum()  # at most size - 1, since count is below the sum
    while quota.sum() < count:
        missing = np.where(quota < sizes - 1, count * sizes / sizes.sum() - quota, -np.inf)
        quota[np.argmax(missing)] += 1
    chosen = np.sort(np.concatenate([rows[:n] for rows, n in zip(members, quota, strict=True)]))
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen


def share_or_count(value: float | int, total: int, where: str) -> int:
    """Turn a config value (a share below 1, or a whole number) into a count of `total` images, at least 1."""
    if isinstance(value, int):
        return value
    if value >= 1:
        raise UserError(f"{where} is {value}; it must be a share below 1 or a whole number of images")
    return max(1, round(value * total))


def _members(labels: np.ndarray, seed: int) -> list[np.ndarray]:
    """The indices of each class that occurs, in class order, each in hash order."""
    rows = np.lexsort((hash_rank(len(labels), seed), labels))
    return np.split(rows, np.flatnonzero(np.diff(np.asarray(labels)[rows])) + 1)


def hash_rank(count: int, seed: int) -> np.ndarray:
    """A number for each of N positions by which they are in a random order; uint64 N."""
    order = np.array([hashlib.sha256(f"{seed}:{i}".encode()).digest()[:8] for i in range(count)], dtype="S8")
    # Compared as unsigned big-endian numbers: fixed-width byte strings would lose trailing zeros.
    return np.frombuffer(order.tobytes(), dtype=">u8") if count else np.empty(0, ">u8")
