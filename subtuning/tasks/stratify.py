"""Stratified parts of images that have several labels: iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011,
On the stratification of multi-label data, ECML PKDD, algorithm 1), the same on every machine.

The label with the fewest images left is dealt first: each of its images goes to the part that still lacks most images
of this label, of equals to the one that lacks most images at all, of equals to the first. Then comes the next label.
Images without any label are dealt last. A part that is full takes no more, so that sizes are exact.
"""

import numpy as np


def stratify(labels: np.ndarray, sizes: list[int], rank: np.ndarray, same: np.ndarray | None = None) -> np.ndarray:
    """The part, 0 to P - 1, of each of N images.

    Args:
        labels: N x C of 0 and 1.
        sizes: images in each of the P parts, N in all.
        rank: an order of the images (N numbers), by which those of one label are dealt.
        same: for each image the position of the first equal one (N). The first takes its copies along, many copies
            before few; a part may then be larger than its size.
    """
    same = np.arange(len(labels)) if same is None else same
    firsts, group = np.unique(same, return_inverse=True)
    weight = np.bincount(group)
    of_group = np.zeros((len(firsts), labels.shape[1]), np.int64)
    np.add.at(of_group, group, labels.astype(np.int64))
    order = np.lexsort((rank[firsts], -weight))
    room = np.array(sizes, np.int64)
    lacking = np.outer(room / max(1, len(labels)), labels.sum(0, dtype=np.int64))
    part = np.full(len(firsts), -1)
    for members in _by_rarest_label(of_group, order):
        for own, label in members:
            wanted = lacking[:, label] if label is not None else room
            fits = room >= weight[own]
            choices = np.flatnonzero(fits) if fits.any() else np.arange(len(room))
            best = max(choices.tolist(), key=lambda i: (round(float(wanted[i]), 9), int(room[i]), -i))
            part[own], room[best] = best, room[best] - weight[own]
            lacking[best] -= of_group[own]
    return part[group]


def _by_rarest_label(labels: np.ndarray, order: np.ndarray):
    """The images (rows of `labels`, M x C) in the order in which they are dealt, in lists of (row, label): those left
    of the rarest label, again and again, then those without one (label None)."""
    left = np.ones(len(labels), bool)
    counts = (labels > 0).sum(0)
    while counts.any():
        label = int(np.where(counts > 0, counts, len(labels) + 1).argmin())
        members = order[left[order] & (labels[order, label] > 0)]
        yield [(int(row), label) for row in members]
        left[members] = False
        counts = counts - (labels[members] > 0).sum(0)
    yield [(int(row), None) for row in order[left[order]]]
