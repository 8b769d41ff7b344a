"""Intervals over seeds and test images together: how sure a number is if both could have been others.

The answers of S runs (seeds) on the same N test images are a crossed design. An accuracy varies with the seed, with the
draw of images, and with both; the variance of the mean of all S x N answers is estimated from the mean squares of the
two-way table without replication, `(MS_seeds - MS_both + MS_images) / (S N)` (Searle, Casella and McCulloch, 1992,
"Variance components", chapter 4), where the part of the seeds is no less than 0. Satterthwaite (1946, Biometrics
Bulletin 2) gives the degrees of freedom of Student's t. Owen (2007, Annals of Applied Statistics 1) resamples both
ways instead; `subtuning benchmark coverage` compares them, and docs/statistics.md says why this one was taken.

An accuracy, or another metric between known limits, has Wilson's score interval (1927, JASA 22) with the number of
independent answers that has the same variance, and t for the normal quantile: it stays within 0-1 and is wider on the
side of 50 %. All numbers are fractions (0-1).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy

from subtuning.analysis.statistics import LEVEL

NAN = float("nan")


class TwoWay(NamedTuple):
    """A mean over `seeds` x `images`, its interval, and the two-sided p value of a mean of 0 (of differences)."""

    mean: float
    low: float
    high: float
    p: float
    seeds: int
    images: int


def accuracy_interval(hits: np.ndarray, level: float = LEVEL) -> TwoWay:
    """The interval of an accuracy; `hits` is 1 for a right answer, S x N. One seed or one image has none (NaN)."""
    mean, variance, df = mean_and_variance(hits)
    seeds, images = hits.shape
    if np.isnan(variance):
        return TwoWay(mean, NAN, NAN, NAN, seeds, images)
    n = mean * (1 - mean) / variance if variance > 0 else images
    quantile = float(scipy.stats.t.ppf((1 + level) / 2, df))
    shrink = 1 + quantile**2 / n
    middle = (mean + quantile**2 / (2 * n)) / shrink
    half = quantile / shrink * float(np.sqrt(mean * (1 - mean) / n + (quantile / (2 * n)) ** 2))
    return TwoWay(mean, max(middle - half, 0.0), min(middle + half, 1.0), NAN, seeds, images)


def score_interval(answers: np.ndarray, level: float = LEVEL, least: float = 0) -> TwoWay:
    """The interval of a metric between `least` and 1: that of an accuracy, from the one scale to the other.

    Args:
        answers: what each image adds to the metric (see `search.metrics`), S x N.
    """
    found, scale = accuracy_interval((answers - least) / (1 - least), level), 1 - least
    return found._replace(**{end: least + scale * getattr(found, end) for end in ("mean", "low", "high")})


def difference_interval(hits: np.ndarray, reference: np.ndarray, level: float = LEVEL) -> TwoWay:
    """The t interval of the mean difference of two methods, paired by seed and image; both are S x N.

    Where all differences are alike they do not tell how they vary; the interval is then that with one image more for
    either side (Bonett and Price, 2012, Journal of Educational and Behavioral Statistics 37).
    """
    if hits.shape != reference.shape:
        raise ValueError(f"pairs need the same seeds and images, not {hits.shape} and {reference.shape}")
    seeds, images = hits.shape
    values = hits.astype(np.float64) - reference
    mean, variance, df = mean_and_variance(values)
    if np.isnan(variance):
        return TwoWay(mean, NAN, NAN, NAN, seeds, images)
    if variance == 0:
        one = np.ones((seeds, 1))
        _, variance, df = mean_and_variance(np.concatenate([values, one, -one], axis=1))
    error = variance**0.5
    half = float(scipy.stats.t.ppf((1 + level) / 2, df)) * error
    p = float(2 * scipy.stats.t.sf(abs(mean) / error, df))
    return TwoWay(mean, max(mean - half, -1.0), min(mean + half, 1.0), p, seeds, images)


def mean_and_variance(values: np.ndarray) -> tuple[float, float, float]:
    """The mean of S x N values, its variance over seeds and images, and that variance's degrees of freedom.

    The last two are NaN for one seed or one image, which do not show how seeds or images vary.
    """
    seeds, images = values.shape
    values = values.astype(np.float64)
    mean = float(values.mean())
    if seeds < 2 or images < 2:
        return mean, NAN, NAN
    rows, columns = values.mean(1) - mean, values.mean(0) - mean
    by_seed, by_image = images * float(rows @ rows) / (seeds - 1), seeds * float(columns @ columns) / (images - 1)
    rest = float(((values - mean - rows[:, None] - columns) ** 2).sum()) / ((seeds - 1) * (images - 1))
    total = max(by_seed - rest, 0.0) + by_image
    if total < 1e-12:  # the rounding of sums
        return mean, 0.0, float(images - 1)
    spread = by_image**2 / (images - 1)
    if by_seed > rest:
        spread += by_seed**2 / (seeds - 1) + rest**2 / ((seeds - 1) * (images - 1))
    return mean, total / (seeds * images), total**2 / spread


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values (1979, Scandinavian Journal of Statistics 6), in the given order.

    Of all that stay below 0.05, none is wrong in 95 % of tables. NaN stays NaN and does not count.
    """
    adjusted, largest = [NAN] * len(p), 0.0
    known = sorted((value, place) for place, value in enumerate(p) if not np.isnan(value))
    for rank, (value, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * value))
        adjusted[place] = largest
    return adjusted
