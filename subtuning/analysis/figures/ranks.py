"""Mean ranks over tasks and backbones, with the critical difference (Demsar, 2006, JMLR 7, figure 1)."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtuning.analysis.figures import style
from subtuning.analysis.ranks import groups_alike

COLOUR = "#0072B2"


@style.styled()
def ranks_figure(ranks: pd.DataFrame) -> Figure:
    """Draw a table of `ranks_table`: the best method on top, a thick line beside those that are not told apart.

    The bar at the top is as long as the critical difference; there is none for fewer than three methods.
    """
    if ranks.empty:
        figure = Figure(figsize=(8.0, 2.0), layout="constrained")
        style.headings(figure, "Mean ranks of the methods", "Too few tasks and backbones, or no two methods in common.")
        return figure
    rows = ranks.sort_values("mean_rank", kind="stable")
    count, difference = len(rows), float(rows["critical_difference"].iloc[0])
    figure = Figure(figsize=(8.0, 2.2 + 0.38 * count), layout="constrained")
    axes = figure.add_subplot()
    style.headings(figure, "Mean ranks of the methods", _subtitle(rows, difference))
    axes.plot(rows["mean_rank"], range(count), "o", color=COLOUR, markersize=8, zorder=3)
    for place, rank in enumerate(rows["mean_rank"]):
        axes.annotate(f"{rank:.2f}", (rank, place), (8, 0), textcoords="offset points", va="center", fontsize=9.5)
    if not np.isnan(difference):
        _critical(axes, rows["mean_rank"].tolist(), difference)
    axes.set_yticks(range(count), rows["method"])
    axes.set_ylim(count - 0.5, -1.6 if not np.isnan(difference) else -0.8)
    axes.set_xlim(0.8, max(count, 1 + difference if not np.isnan(difference) else 1) + 0.8)
    axes.set_xticks(range(1, count + 1))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.8)
    axes.set_xlabel("mean rank (1 is best)")
    return figure


def _critical(axes: Axes, ranks: list[float], difference: float) -> None:
    """The length of the critical difference, and lines that join methods which it does not tell apart."""
    axes.plot([1, 1 + difference], [-1, -1], color=style.INK, linewidth=1.5, marker="|", markersize=9)
    words = f"critical difference {difference:.2f}"
    axes.annotate(words, (1, -1), (0, 6), textcoords="offset points", fontsize=9.5, va="bottom")
    for number, (first, last) in enumerate(groups_alike(ranks, difference)):
        x = ranks[first] - 0.1 - 0.06 * (number % 3)
        looks: dict[str, Any] = {"color": style.FAINT, "linewidth": 3.5, "solid_capstyle": "round", "zorder": 2}
        axes.plot([x, x], [first - 0.12, last + 0.12], **looks)


def _subtitle(rows: pd.DataFrame, difference: float) -> str:
    words = f"Over {rows['blocks'].iloc[0]} blocks (task x backbone), by mean test accuracy."
    if not np.isnan(difference):
        words += f" Friedman test that all are alike: p = {rows['p_friedman'].iloc[0]:.2g}."
        words += " Thick line: methods whose ranks are not told apart (Nemenyi, 5 %)."
    return words
