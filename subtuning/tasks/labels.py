"""Labels of images: one of C classes each (int64, N), or several (uint8, N x C of 0 and 1)."""

import numpy as np


def have_several(labels: np.ndarray) -> bool:
    """Whether an image may have several labels (or none): they are N x C, not N."""
    return labels.ndim == 2


def label_counts(labels: np.ndarray, classes: int) -> list[int]:
    """How many images have each of the `classes` labels."""
    counts = labels.sum(0, dtype=np.int64) if have_several(labels) else np.bincount(labels, minlength=classes)
    return counts.tolist()


def label_codes(labels: np.ndarray) -> np.ndarray:
    """A number for each of N images, equal where all their labels are (N)."""
    if not have_several(labels):
        return labels
    return np.unique(labels, axis=0, return_inverse=True)[1].reshape(len(labels))
