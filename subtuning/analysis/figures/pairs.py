"""Pairs of layers as a heat map: two layers trained together above the diagonal, single layers on it."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from subtuning.analysis.figures import style
from subtuning.analysis.tables import metric_words

MOST_NUMBERS = 20
"""Layers up to which every cell has its number."""


@style.styled()
def draw(table: pd.DataFrame, layers: dict[str, Any], task: str, backbone: str) -> Figure:
    """Draw a table of `analysis.tables.pairs`: the best pair and the best single layer have frames.

    A cell with a diverged run has a cross and no colour.
    """
    names = list(table["first"][table["first"] == table["second"]])
    place = {name: number for number, name in enumerate(names)}
    cells = np.full((len(names), len(names)), np.nan)
    for row in table.itertuples():
        cells[place[row.first], place[row.second]] = 100 * row.mean
    side = float(np.clip(3.4 + 0.42 * len(names), 6.5, 13))
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.add_subplot()
    style.headings(figure, f"Pairs of layers: {task}, {backbone}", _subtitle(table))
    image = axes.imshow(np.ma.masked_invalid(cells), cmap=mpl.colormaps["viridis"])
    _numbers(axes, cells, image)
    for alone, colour in ((True, "#E69F00"), (False, "#D55E00")):
        best = _best(table[(table["first"] == table["second"]) == alone])
        if best is not None:
            corner = (place[best["second"]] - 0.5, place[best["first"]] - 0.5)
            axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=colour, linewidth=2.5))
    size = float(np.clip(11.5 - 0.045 * len(names), 7, 10.5))
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, shrink=0.7, label=f"{metric_words([table])} (%)")
    return figure


def _numbers(axes: Axes, cells: np.ndarray, image: Any) -> None:
    """The number in each cell, light on dark; a cross where a run diverged."""
    for (row, column), value in np.ndenumerate(cells):
        if column < row:
            continue
        if np.isnan(value):
            axes.text(column, row, "x", ha="center", va="center")
        elif len(cells) <= MOST_NUMBERS:
            dark = image.norm(value) < 0.6
            looks: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7.5}
            axes.text(column, row, f"{value:.1f}", color="white" if dark else style.INK, **looks)


def _best(rows: pd.DataFrame) -> pd.Series | None:
    return rows.loc[rows["mean"].idxmax()] if rows["mean"].notna().any() else None


def _subtitle(table: pd.DataFrame) -> str:
    words = f"Row and column: the two layers that are trained, one of them on the diagonal; {style.SPLIT_WORDS['cv']}; "
    words += f"{style.made_words('cv', table)}. Framed: the best pair, and the best single layer."
    pair = _best(table[table["first"] != table["second"]])
    if pair is not None and not np.isnan(pair["diff_best_ci_low"]):
        low, high = 100 * pair["diff_best_ci_low"], 100 * pair["diff_best_ci_high"]
        words += f" The best pair, {pair['first']} and {pair['second']}, differs from the best single layer by "
        words += f"{100 * pair['diff_best']:+z.1f} [{low:+z.1f}, {high:+z.1f}] points."
    return words
