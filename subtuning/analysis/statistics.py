"""Intervals and p values for accuracies of repeated runs: over folds, and over seeds.

Two kinds of repetition need two kinds of interval.

*Folds* of one data set share most of their training images, so their scores vary together and the plain t interval is
too narrow. Nadeau and Bengio (2003, "Inference for the Generalization Error", Machine Learning 52) replace the
variance of the mean, s^2 / n, by s^2 (1/n + n_test/n_train). In k-fold cross-validation n_test/n_train = 1/(k - 1);
Bouckaert and Frank (2004, PAKDD) use the same factor when the k folds are repeated r times (n = k r).

*Seeds* on one fixed test set are independent draws of the training's randomness; there the plain t interval holds. It
says nothing about other test images.

All accuracies are fractions (0-1). A single value has no spread: its `std`, `low` and `high` are NaN.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy  # its parts load on first use

LEVEL = 0.95
"""Coverage of every interval in the tables and figures."""

EXACT_UP_TO = 14
"""Seeds up to which all 2^n sign flips are counted; above, the p value comes from that many random ones."""


class Interval(NamedTuple):
    """A mean of `n` values, their sample standard deviation (n - 1), and a confidence interval of the mean."""

    mean: float
    std: float
    n: int
    low: float
    high: float


def interval(values: Sequence[float] | np.ndarray, folds: int | None, level: float = LEVEL) -> Interval:
    """Student's t interval of the mean of `values`, shape (n,): mean +- t(n - 1) s sqrt(1/n + c).

    Independent seeds have c = 0 (`folds` is None); scores of a cross-validation have c = 1/(folds - 1) (Nadeau and
    Bengio, 2003), where n is `folds`, or a multiple of it when it was repeated. Raises `ValueError` for fewer than two
    folds, no value, or one that is not finite.
    """
    sample = np.asarray(values, dtype=np.float64)
    if folds is not None and folds < 2:
        raise ValueError(f"cross-validation has at least 2 folds, not {folds}")
    if sample.ndim != 1 or sample.size == 0:
        raise ValueError("an interval needs a flat list of at least one value")
    if not np.isfinite(sample).all():
        raise ValueError("an interval needs finite values; a diverged run has none")
    n, mean = sample.size, float(sample.mean())
    if n == 1:
        return Interval(mean, float("nan"), 1, float("nan"), float("nan"))
    std = 0.0 if np.ptp(sample) == 0 else float(sample.std(ddof=1))  # equal values: no rounding noise
    correction = 0.0 if folds is None else 1 / (folds - 1)
    half = float(scipy.stats.t.ppf((1 + level) / 2, df=n - 1)) * std * (1 / n + correction) ** 0.5
    return Interval(mean, std, int(n), mean - half, mean + half)


def paired_interval(values: Sequence[float], reference: Sequence[float], folds: int | None) -> Interval:
    """Interval of the mean of ``values - reference``, paired by position: the same folds, or the same seeds.

    Both have shape (n,). Pairing removes what the two share (an easy fold, the order of the batches). Raises
    `ValueError` if the lengths differ or one of the intervals' own conditions is not met.
    """
    return interval(differences(values, reference), folds)


def differences(values: Sequence[float], reference: Sequence[float]) -> np.ndarray:
    """``values - reference`` by position, shape (n,). Raises `ValueError` if the lengths differ."""
    if len(values) != len(reference):
        raise ValueError(f"pairs need equally many values, not {len(values)} and {len(reference)}")
    return np.asarray(values, dtype=np.float64) - np.asarray(reference, dtype=np.float64)


def sign_flip_p(values: Sequence[float], reference: Sequence[float]) -> float:
    """Two-sided p value of the paired sign-flip permutation test (Fisher) on the mean difference over seeds.

    If two methods were alike, each seed's difference could as well have the other sign; p is the share of the 2^n sign
    patterns whose mean difference is at least as far from zero as the observed one. All patterns are counted for up to
    `EXACT_UP_TO` seeds. p cannot be smaller than 2 / 2^n: with 5 seeds never below 0.0625. One pair gives NaN. Not for
    folds: their differences are not independent, so p would be too small.
    """
    paired = differences(values, reference)
    if not np.isfinite(paired).all():
        raise ValueError("a p value needs finite accuracies")
    if len(paired) < 2:
        return float("nan")

    def mean(sample: np.ndarray, axis: int) -> np.ndarray:
        # Equal means must compare as equal whatever the order of the sum; accuracies are no finer than this.
        return np.round(np.mean(sample, axis=axis), 12)

    result = scipy.stats.permutation_test(
        (paired,),
        mean,
        permutation_type="samples",
        n_resamples=2**EXACT_UP_TO,
        alternative="two-sided",
        vectorized=True,
        rng=0,
    )
    return float(result.pvalue)
