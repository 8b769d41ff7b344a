"""Records and rounds -> tables; one file each, found by the name of the step whose table it is.

A file has one function, `table(study, step) -> pd.DataFrame`. Scores are fractions (0-1) of the metric that the
column `metric` names. A row whose runs did not all finish says so by its `n` and has empty (NaN) number cells.
Intervals and p values are those of `subtuning.analysis.statistics`.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from subtuning.analysis import records as rec
from subtuning.analysis.statistics import Interval, interval, paired_interval
from subtuning.errors import UserError, listed
from subtuning.search.metrics import LEAST, in_words

SCORE = ["mean", "std", "n", "ci_low", "ci_high"]
NAN = float("nan")
Item = tuple[str, str, pd.DataFrame, pd.DataFrame]
"""(task, backbone, evaluation table, profile table)."""

NOTHING = Interval(NAN, NAN, 0, NAN, NAN)


def score_cells(values: list[float] | None, n: int, folds: int | None, metric: str = "accuracy") -> dict[str, float]:
    """The columns `SCORE`, the interval within what the metric can be.

    Only `n` is a number where a run diverged (`values` is None).
    """
    found = Interval(NAN, NAN, n, NAN, NAN) if values is None else interval(values, folds)
    low, high = np.clip([found.low, found.high], LEAST.get(metric, 0), 1).tolist()
    return {"mean": found.mean, "std": found.std, "n": n, "ci_low": low, "ci_high": high}


def difference_cells(
    name: str, ends: str, values: list[float] | None, reference: list[float] | None, folds: int | None
) -> dict[str, float]:
    """The columns `name`, `ends`_ci_low and `ends`_ci_high: the mean difference of paired values and its interval.

    No accuracy differs by more than 1. They are NaN where either has a diverged run (is None).
    """
    found = NOTHING if values is None or reference is None else paired_interval(values, reference, folds)
    low, high = np.clip([found.low, found.high], -1, 1).tolist()
    return {name: found.mean, f"{ends}_ci_low": low, f"{ends}_ci_high": high}


def metric_words(tables: Iterable[pd.DataFrame]) -> str:
    """The metric of several tables, those of earlier versions included, which name none: it was the accuracy.

    Raises:
        UserError: there are several.
    """
    found = sorted({metric for table in tables for metric in table.get("metric", ["accuracy"])}) or ["accuracy"]
    if len(found) > 1:
        raise UserError(f"tables by {listed(found)} cannot be shown together; make them anew with one search.metric")
    return in_words(found[0])


def mean_of(found: Iterable[rec.Record], key: str, values: list[float] | None) -> float:
    """The mean of a number of the records, NaN where a run diverged."""
    numbers = [record[key] for record in found]
    return NAN if values is None or None in numbers else float(np.mean(numbers))
