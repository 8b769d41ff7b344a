"""The table of the windows: one row each."""

import pandas as pd

from subtuning.search.scores import fold_scores, mean
from subtuning.search.study import Step, Study, cv_splits
from toy_subtuning.windows import windows


def table(study: Study, step: Step) -> pd.DataFrame:
    """Mean accuracy (0-1) over the folds."""
    splits = cv_splits(study.settings["profile.folds"])
    rows = [(str(tuning), mean(fold_scores(study.require(study.runs([tuning], splits))))) for tuning in windows(study)]
    return pd.DataFrame(rows, columns=["layers", "mean"])
