"""The Pareto front: the choices that no other one beats in both cost and score."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from subtuning.analysis.figures import style


def front(rows: pd.DataFrame, cost: str) -> pd.DataFrame:
    """The rows that no other one beats in the column `cost` and in `mean`, the cheapest first."""
    ordered = rows.sort_values([cost, "mean"], ascending=[True, False])
    best_before = ordered["mean"].cummax().shift(fill_value=-np.inf)
    return ordered[ordered["mean"] > best_before]


def draw_front(axes: Axes, rows: pd.DataFrame, cost: str) -> pd.DataFrame:
    """Draw the front as steps, up to the score in percent at each cost, and return its rows."""
    best = front(rows, cost)
    axes.step(best[cost], 100 * best["mean"], where="post", color=style.FAINT, alpha=0.5, linewidth=1, zorder=1)
    return best
