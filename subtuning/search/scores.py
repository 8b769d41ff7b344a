"""Scores of selection runs, with the guard that keeps test data out."""

from collections.abc import Mapping, Sequence
from typing import Any

DIGITS = 12
"""Decimals of accuracies that are compared: far finer than one image, coarser than the rounding of sums."""


def score_of(record: Mapping[str, Any]) -> float:
    """What a finished run scores: its accuracy (0-1), or what the study's metric says (see `search.metrics.scored`)."""
    metrics = record["metrics"]
    return metrics["score"] if "score" in metrics else metrics["accuracy"]


def fold_scores(records: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """Scores in the order of the folds, each the mean over its seeds; None where a run diverged.

    Raises:
        ValueError: a record was scored on the test set; selection must not see it.
    """
    if any(record["identity"]["split"] == "test" for record in records):
        raise ValueError("a record scored on the test set was given to a selection")
    folds: dict[int, list[float | None]] = {}
    for record in sorted(records, key=lambda record: record["identity"]["fold"] or 0):
        score = score_of(record) if record["status"] == "done" else None
        folds.setdefault(record["identity"]["fold"] or 0, []).append(score)
    return [_mean_of_seeds(seeds) for seeds in folds.values()]


def _mean_of_seeds(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if len(known) == len(scores) else None


def worth(found: Mapping[str, Any]) -> float:
    """The mean of the `scores` of a candidate, less its `penalty` if it has one: what searches compare."""
    return round(mean(found["scores"]) - found.get("penalty", 0.0), DIGITS)


def mean(scores: Sequence[float | None]) -> float:
    """The mean, rounded so that the same hits in another order of folds are no improvement; minus infinity if a fold
    diverged."""
    return round(sum(float("-inf") if score is None else score for score in scores) / len(scores), DIGITS)
