"""Right and wrong answers of finished selection runs, image by image: what they say about which of many is best.

Answers are arrays of shape (N,), one number an image in the order of the folds: 1 right, 0 wrong, or the share of seeds
that were right; of another metric than accuracy, what `search.metrics` says. Rows of several tunings (M, N) are paired:
column i is the same image for all.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Record = Mapping[str, Any]

RESAMPLES = 10_000

DRAWN_AT_ONCE = 1_000_000
"""Images, to bound the memory of large tasks."""


def answers_of(records: Sequence[Record]) -> np.ndarray | None:
    """The answers of one tuning, (N,), from its records of all folds (and seeds).

    None where a record has none: it diverged, or a version of this package trained it that kept none.

    Raises:
        ValueError: a record was scored on the test set; selection must not see it.
    """
    if any(record["identity"]["split"] == "test" for record in records):
        raise ValueError("answers of the test set were given to a selection")
    if not all(record["metrics"] and "hits" in record["metrics"] for record in records):
        return None
    folds: dict[int, list[np.ndarray]] = {}
    for record in sorted(records, key=lambda record: record["identity"]["fold"] or 0):
        own = record["answers"].astype(np.float32) if "answers" in record else _bits(record["metrics"])
        folds.setdefault(record["identity"]["fold"] or 0, []).append(own)
    return np.concatenate([np.mean(seeds, axis=0) for seeds in folds.values()])


def _bits(metrics: Mapping[str, Any]) -> np.ndarray:
    return np.unpackbits(np.frombuffer(bytes.fromhex(metrics["hits"]), np.uint8))[: metrics["n"]].astype(np.float32)


class Best(NamedTuple):
    """What a bootstrap over images says of M tunings.

    Attributes:
        chances: for each, the share of resamples in which it is the best: P(best), (M,).
        corrected: the accuracy (0-1) of the best, less the luck by which the best of many is chosen.
    """

    chances: np.ndarray
    corrected: float


def best_of(answers: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> Best:
    """How sure it is which of M tunings is best, and how good the best is.

    Images are drawn with replacement. In each resample the best tuning is chosen by the drawn images and scored on the
    others; the mean of these is `corrected` (bootstrap bias corrected cross-validation: Tsamardinos,
    Greasidou and Borboudakis 2018, Machine Learning 107:1895-1922). Nothing is trained again.

    Args:
        answers: (M, N); of equally good rows the first is the best.
    """
    count, rng = answers.shape[1], np.random.default_rng(seed)
    wins, outside = np.zeros(len(answers)), []
    at_once = max(1, DRAWN_AT_ONCE // count)
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        drawn = rng.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.float32)
        best = np.argmax((weights @ answers.T).round(2), axis=1)  # shares of seeds have rounding noise
        wins += np.bincount(best, minlength=len(answers))
        left = weights == 0
        some = left.any(axis=1)
        outside.append(np.einsum("ri,ri->r", left[some], answers[best[some]]) / left[some].sum(axis=1))
    return Best(wins / resamples, float(np.mean(np.concatenate(outside))))
