"""The table of the neighbours: one row each."""

import pandas as pd

from subtuning.search.scores import fold_scores, mean
from subtuning.search.study import Step, Study, cv_splits
from toy_subtuning.neighbours import pairs_of


def table(study: Study, step: Step) -> pd.DataFrame:
    """Mean accuracy (0-1) over the folds."""
    splits = cv_splits(study.settings["profile.folds"])
    rows = [(str(tuning), mean(fold_scores(study.require(study.runs([tuning], splits))))) for tuning in pairs_of(study)]
    return pd.DataFrame(rows, columns=["layers", "mean"])
