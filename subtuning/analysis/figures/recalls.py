"""Class by class: how many of its images are recognised, and what the chosen layers change against training all."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtuning.analysis.figures import style
from subtuning.analysis.figures.confusion import short
from subtuning.analysis.statistics import LEVEL

MOST = 30
"""Classes that a panel shows at most."""

CHOSEN, BETTER, WORSE = "#D55E00", "#0072B2", "#CC3311"


@style.styled()
def recalls_figure(classes: pd.DataFrame, title: str, subtitle: str) -> Figure:
    """Draw a table of `classes_table` with `chosen` and, if the comparison can be made, `full` and `chosen_less_full`.

    On the left the classes with the lowest recall of the chosen layers, on the right those whose recall differs most;
    of at most `MOST` classes both panels show all, in one order. A filled point on the right is a difference that is
    more than chance, corrected for the number of classes.
    """
    compared = "chosen_less_full" in classes and bool(classes["chosen_less_full"].notna().any())
    known = classes[classes["chosen_recall"].notna()].sort_values("chosen_recall", kind="stable")
    shown = min(len(known), MOST)
    size = (11.5 if compared else 7.5), float(np.clip(1.9 + 0.24 * shown, 3.4, 9.2))
    figure = Figure(figsize=size, layout="constrained")
    style.headings(figure, title, subtitle + _left_out(known))
    panels = figure.subplots(1, 2 if compared else 1, squeeze=False)[0]
    _recalls(panels[0], known[:MOST], compared)
    if compared:
        largest = known["chosen_less_full"].abs().sort_values(ascending=False, kind="stable").index[:MOST]
        _differences(panels[1], known[known.index.isin(largest)])
    return figure


def _left_out(known: pd.DataFrame) -> str:
    if len(known) <= MOST:
        return ""
    return f" Left, the {MOST} least recognised of {len(known)} classes; right, the {MOST} that differ most."


def _rows(axes: Axes, rows: pd.DataFrame) -> np.ndarray:
    places = np.arange(len(rows))
    size = 10 if len(rows) <= 20 else 8.5
    axes.set_yticks(places, [short(name) for name in rows["class"]], fontsize=size)
    axes.set_ylim(max(len(rows), 4) - 0.4, -0.6)
    axes.tick_params(length=0)
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.8)
    return places


def _recalls(axes: Axes, rows: pd.DataFrame, compared: bool) -> None:
    places = _rows(axes, rows)
    if compared:
        looks: dict[str, Any] = {"color": "black", "markerfacecolor": "white", "linestyle": "none", "zorder": 2}
        axes.plot(100 * rows["full_recall"], places, "D", markersize=6, label="all layers", **looks)
    bars = [100 * (rows["chosen_recall"] - rows["chosen_low"]), 100 * (rows["chosen_high"] - rows["chosen_recall"])]
    bars = np.nan_to_num(np.clip(bars, 0, None))
    looks = {"color": CHOSEN, "elinewidth": 1.6, "markersize": 6.5, "zorder": 3, "label": "the chosen layers"}
    axes.errorbar(100 * rows["chosen_recall"], places, xerr=bars, fmt="o", **looks)
    low = float(100 * rows[["chosen_low", "chosen_recall", *["full_recall"] * compared]].min().min())
    axes.set_xlim(max(min(low - 3, 90), -2), 102)
    axes.set_xlabel("images of the class that are recognised (%)")
    if compared:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=10, handletextpad=0.2)


def _differences(axes: Axes, rows: pd.DataFrame) -> None:
    places = _rows(axes, rows)
    axes.axvline(0, color=style.FAINT, linewidth=1.2, zorder=1)
    for place, row in zip(places, rows.to_dict("records"), strict=True):
        value = 100 * row["chosen_less_full"]
        sure = row["chosen_less_full_p"] < 1 - LEVEL
        colour = style.FAINT if value == 0 else BETTER if value > 0 else WORSE
        if not np.isnan(row["chosen_less_full_low"]):
            ends = [100 * row["chosen_less_full_low"], 100 * row["chosen_less_full_high"]]
            axes.plot(ends, [place, place], color=colour, linewidth=1.6, zorder=2)
        face = colour if sure else "white"
        axes.plot([value], [place], "o", color=colour, markerfacecolor=face, markersize=6.5, zorder=3)
    reach = 1.05 * max(map(abs, axes.get_xlim()))
    axes.set_xlim(-reach, reach)
    axes.set_xlabel("chosen layers less all layers (points)")
    looks: dict[str, Any] = {"transform": axes.transAxes, "va": "bottom", "fontsize": 10}
    axes.text(0, 1.01, "← all layers better", color=WORSE, ha="left", **looks)
    axes.text(1, 1.01, "chosen better →", color=BETTER, ha="right", **looks)
