"""Metrics of the order in which classes' probabilities put images, each class against the rest; see `search.metrics`.

`labels` are classes from 0 (N), or N x C of 0 and 1 where an image may have several; `probabilities` are N x C. As of
the other metrics, what comes back is what each image adds (N), whose mean is the metric, averaged over the classes for
which it is defined.
"""

import numpy as np
import scipy


def of_each_class(labels: np.ndarray, classes: int) -> np.ndarray:
    """Whether each image has each class: N x C of False and True."""
    return labels > 0 if labels.ndim == 2 else labels[:, None] == np.arange(classes)


def auroc(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The mean area under the ROC curve of each class against the others, over the classes that some images have and
    some have not: the probability that an image of the class gets more of it than another does, a tie counting half
    (Mann and Whitney 1947; what an image adds: DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44).

    0.5 where there is no such class, which shows nothing.
    """
    count = len(labels)
    found = [
        _roc_area(own, given.astype(np.float64))
        for own, given in zip(of_each_class(labels, probabilities.shape[1]).T, probabilities.T, strict=True)
        if 0 < own.sum() < count
    ]
    return np.mean(found, axis=0) if found else np.full(count, 0.5)


def _roc_area(own: np.ndarray, given: np.ndarray) -> np.ndarray:
    count, inside = len(own), int(own.sum())
    ranks = scipy.stats.rankdata(given)
    below = ranks - np.where(own, _ranks_within(own, given), _ranks_within(~own, given))  # of the other kind, ties half
    placed = np.where(own, below / (count - inside), 1 - below / inside)
    area = placed[own].mean()
    return area + count * (placed - area) / np.where(own, inside, count - inside)


def _ranks_within(chosen: np.ndarray, given: np.ndarray) -> np.ndarray:
    """The ranks of the chosen values among themselves; 0 for the others."""
    found = np.zeros(len(given))
    found[chosen] = scipy.stats.rankdata(given[chosen])
    return found


def mean_average_precision(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The mean average precision (mAP) over the classes that images have: for each image of a class, the share of this
    class among all that get as much of it or more, averaged over these images (no interpolation; scikit-learn's
    `average_precision_score`).

    0 where no image has any label, which shows nothing.
    """
    found = [
        _average_precision(own, given)
        for own, given in zip(of_each_class(labels, probabilities.shape[1]).T, probabilities.T, strict=True)
        if own.any()
    ]
    return np.mean(found, axis=0) if found else np.zeros(len(labels))


def _average_precision(own: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Its derivative by the weight of image k, where m_j images get at least as much as image j: for each image j of
    the class that gets no more than k, (own_k - precision_j) / m_j; and if k is of the class, precision_k less the
    mean of all these precisions; divided by the images of the class."""
    order = np.argsort(-given, kind="stable")
    right, values = own[order].astype(np.float64), given[order]
    _, first, place = np.unique(-values, return_index=True, return_inverse=True)
    last = np.append(first[1:], len(values)) - 1  # of those with the same value
    above = last[place] + 1.0
    precision = np.cumsum(right)[last[place]] / above
    inside = right.sum()
    area = float((right * precision).sum() / inside)
    behind = [
        np.cumsum((right * share / above)[::-1])[::-1][first[place]] for share in (np.ones_like(right), precision)
    ]
    change = np.empty(len(values))
    change[order] = (right * (precision - area) + right * behind[0] - behind[1]) / inside
    return area + len(values) * change


PROBABILITY_METRICS = {found.__name__: found for found in (auroc, mean_average_precision)}
