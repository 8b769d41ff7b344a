"""The grids in which the recipe of each method was chosen: one row a method and point."""

import pandas as pd

from subtuning.analysis import records as rec
from subtuning.analysis.tables import SCORE, score_cells
from subtuning.search.experiments.tune import runs_of, tuned
from subtuning.search.methods import methods
from subtuning.search.scores import fold_scores
from subtuning.search.study import Changes, Step, Study

COLUMNS = ["method", "layers", "lr", "recipe", *SCORE, "chosen", "at_edge", "metric", "precision"]


def table(study: Study, step: Step) -> pd.DataFrame:
    """Cross-validated scores over train + val of every point of every method's grid, smallest rates first.

    `recipe` holds the other values of the recipe that are the method's own, in words. `chosen` marks the point that the
    method is tested with; `at_edge` says of it that no smaller, or no larger, rate was tried.
    """
    rows, folds = [], study.settings["profile.folds"]
    for name in methods(study.settings):
        found = tuned(study, name)
        assert found is not None  # its runs are finished
        for point in sorted(found.points, key=lambda point: point.factor):
            records = study.require(runs_of(study, point))
            scores = fold_scores(records)
            finished = [score for score in scores if score is not None]
            metric = rec.metric_of(records)
            cells = score_cells(finished if len(finished) == folds else None, len(finished), folds, metric)
            rows.append(
                {"method": name, "layers": str(point.tuning), "lr": dict(point.changes)["lr"]}
                | {"recipe": recipe_words(point.changes), **cells}
                | {"chosen": point == found.best, "at_edge": point == found.best and found.edge}
                | {"metric": metric, "precision": rec.precision_of(records)}
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def recipe_words(changes: Changes) -> str:
    """Values of a recipe but for its learning rate, as text: ``layer_decay 0.7, weight_decay 0.1``."""
    return ", ".join(f"{key} {value}" for key, value in changes if key != "lr")
