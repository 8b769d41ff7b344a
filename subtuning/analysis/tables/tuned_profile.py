"""The table of the profile in which each layer has its own learning rate."""

import pandas as pd

from subtuning.analysis.tables.profile import profile_table
from subtuning.search.experiments.tuned_profile import best_points, runs_of
from subtuning.search.study import Step, Study
from subtuning.tuning.tuning import Tuning


def table(study: Study, step: Step) -> pd.DataFrame:
    """The columns of the profile, and `lr`, the rate at which a layer scored best.

    That it was chosen among rates is not in the intervals, nor in `p_best`.
    """
    study.require(step.wanted(study).runs)
    points = best_points(study) or []
    records = study.require([run for point in points for run in runs_of(study, point)])
    rates = {str(Tuning(point.tuning.layers)): dict(point.changes)["lr"] for point in points}
    found = profile_table(records, study.layers)
    return found.assign(lr=found["layer"].map(rates))
