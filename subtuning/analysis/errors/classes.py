"""Class by class: recalls with intervals, how they differ between methods, and what is taken for what."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy

from subtuning.analysis.statistics import LEVEL
from subtuning.analysis.two_way import NAN, accuracy_interval, difference_interval, holm


def confusion(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """What is taken for what, C x C: of the images of a row's class the share (0-1, over seeds) that is taken for the
    class of each column. A class without images has a row of NaN.

    Args:
        predicted: S x N.
        labels: N.
    """
    counts = np.zeros((classes, classes))
    np.add.at(counts, (np.broadcast_to(labels, predicted.shape), predicted), 1)
    images = counts.sum(1, keepdims=True)
    return np.divide(counts, images, out=np.full_like(counts, NAN), where=images > 0)


def recall_interval(hits: np.ndarray) -> tuple[float, float, float]:
    """A class's recall and its 95 % interval, from the S x N right answers (True) to its N images.

    Over seeds and images (`two_way.accuracy_interval`); of one seed Wilson's score interval over the images (1927, JASA
    22). No image has no recall, and one image with several seeds no interval (NaN).
    """
    seeds, images = hits.shape
    if not images:
        return NAN, NAN, NAN
    if seeds > 1:
        found = accuracy_interval(hits)
        return found.mean, found.low, found.high
    ends = scipy.stats.binomtest(int(hits.sum()), images).proportion_ci(LEVEL, method="wilson")
    return float(hits.mean()), ends.low, ends.high


def classes_table(
    names: Sequence[str], answers: Mapping[str, tuple[np.ndarray, np.ndarray]], pairs: Sequence[tuple[str, str]] = ()
) -> pd.DataFrame:
    """A row a class: its images and recalls, with intervals.

    Args:
        names: of the C classes.
        answers: what is compared, by name -> the predicted classes (S x N) and the labels (N). Of several labels
            S x N x C and N x C: a recall is then the share of a label's images that are given it.
        pairs: names whose difference of recalls is told, on the same seeds and images.

    Returns:
        `class`, and for each name `<name>_images`, `<name>_recall`, `<name>_low`, `<name>_high`; for each pair (a, b)
        `a_less_b` with `_low`, `_high` and `_p` (Holm, over the classes).
    """
    table: dict[str, list] = {"class": list(names)}
    of_classes = {name: [_hits(*found, number) for number in range(len(names))] for name, found in answers.items()}
    for name, of_class in of_classes.items():
        table[f"{name}_images"] = [found.shape[1] for found in of_class]
        recalls = np.array([recall_interval(found) for found in of_class])
        table |= {f"{name}_{column}": list(recalls[:, i]) for i, column in enumerate(("recall", "low", "high"))}
    for one, other in pairs:
        both = zip(of_classes[one], of_classes[other], strict=True)
        found = [difference_interval(own, others) if own.shape[1] else None for own, others in both]
        cells = {"": "mean", "_low": "low", "_high": "high", "_p": "p"}
        for end, key in cells.items():
            values = [NAN if each is None else getattr(each, key) for each in found]
            table[f"{one}_less_{other}{end}"] = holm(values) if key == "p" else values
    return pd.DataFrame(table)


def _hits(predicted: np.ndarray, labels: np.ndarray, number: int) -> np.ndarray:
    """The right answers to the M images of one class, S x M."""
    if labels.ndim == 2:
        return predicted[:, labels[:, number] > 0, number]
    return predicted[:, labels == number] == number


def common_mistakes(shares: np.ndarray, names: Sequence[str], most: int) -> list[tuple[str, str, float]]:
    """The largest shares off the diagonal of a C x C `confusion`: (class, taken for, share), largest first."""
    off = np.where(np.eye(len(shares), dtype=bool) | np.isnan(shares), 0, shares)
    order = np.argsort(-off, axis=None, kind="stable")[:most]
    places = [np.unravel_index(place, off.shape) for place in order]
    return [(names[row], names[column], float(off[row, column])) for row, column in places if off[row, column] > 0]
