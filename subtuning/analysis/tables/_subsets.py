"""Rows of subsets that were scored by cross-validation, beside the single layers of the profile."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from subtuning.analysis import records as rec
from subtuning.analysis.tables import NAN, SCORE, difference_cells, mean_of, score_cells
from subtuning.search.answers import answers_of, best_of
from subtuning.search.experiments import profile
from subtuning.search.experiments._options import scored_runs
from subtuning.search.scores import DIGITS, fold_scores
from subtuning.search.study import Study, candidates
from subtuning.tuning.tuning import Tuning

COLUMNS = [*SCORE, "diff_best", "diff_best_ci_low", "diff_best_ci_high", "p_best", "corrected", "trained_parameters"]
COLUMNS += ["seconds", "metric", "precision"]


def singles(study: Study) -> list[Tuning]:
    """Each layer alone, as the profile trains it."""
    return [Tuning((name,), study.how) for name in candidates(study.layers, study.how)]


def subset_rows(study: Study, tunings: Sequence[Tuning]) -> pd.DataFrame:
    """A row with `COLUMNS` for each tuning.

    `diff_best` is the difference to the best single layer of the profile, paired by fold. `p_best` is the probability
    that a row is the best of all that are given, and `corrected`, beside the best, its mean less the luck of being that
    (see `search.answers.best_of`); NaN where any run kept no answers.
    """
    records = {tuning: study.require(scored_runs(study, [tuning])) for tuning in tunings}
    alone = [record for found in profile.measured(study).values() for record in found]
    best = profile.best_layer(alone, study.layers, study.how)
    folds = study.settings["profile.folds"]
    reference = None if best is None else fold_values(study, Tuning((best,), study.how))
    rows: list[dict[str, Any]] = []
    for tuning, found in records.items():
        values, n = fold_values(study, tuning), sum(score is not None for score in fold_scores(found))
        row = score_cells(values, n, folds, rec.metric_of(found))
        row |= difference_cells("diff_best", "diff_best", values, reference, folds)
        row |= {"p_best": NAN, "corrected": NAN, "trained_parameters": found[0]["trainable_parameters"]}
        row |= {"seconds": mean_of(found, "seconds", values)}
        rows.append(row | {"metric": rec.metric_of(found), "precision": rec.precision_of(found)})
    return _with_luck(pd.DataFrame(rows, columns=COLUMNS), [answers_of(found) for found in records.values()])


def fold_values(study: Study, tuning: Tuning) -> list[float] | None:
    """The score of a tuning in each fold, None where a run diverged."""
    scores = fold_scores(study.require(scored_runs(study, [tuning])))
    known = [score for score in scores if score is not None]
    return known if len(known) == len(scores) else None


def _with_luck(table: pd.DataFrame, answers: Sequence[np.ndarray | None]) -> pd.DataFrame:
    """Fill in `p_best` and `corrected` of the rows that did not diverge."""
    finished = [place for place, mean in enumerate(table["mean"]) if not np.isnan(mean)]
    known = [own for place in finished if (own := answers[place]) is not None]
    if not known or len(known) < len(finished):
        return table
    found = best_of(np.stack(known))
    table.loc[finished, "p_best"] = found.chances
    table.loc[max(finished, key=lambda place: round(table["mean"][place], DIGITS)), "corrected"] = found.corrected
    return table
