"""Which layers each search chooses: a row a search, a column a layer."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from subtuning.analysis.figures import style
from subtuning.analysis.tables import metric_words
from subtuning.analysis.tables.stability import agreement


@style.styled()
def draw(table: pd.DataFrame, layers: dict[str, Any], task: str, backbone: str) -> Figure:
    """Draw a table of `analysis.tables.stability`: dots are chosen layers, rings the best single layer."""
    names = [layer["name"] for layer in layers["layers"]]
    stages = {layer["name"]: layer["stage"] for layer in layers["layers"]}
    colours = style.stage_colours([stages[name] for name in names])
    size = (float(np.clip(5 + 0.34 * len(names), 8, 13.3)), 3.2 + 0.34 * len(table))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    style.headings(figure, f"Which layers each search chooses: {task}, {backbone}", _subtitle(table))
    for place, row in enumerate(table.to_dict("records")):
        chosen = str(row["layers"]).partition(" with ")[0].split("+")
        for x, name in enumerate(names):
            if name in chosen or chosen == ["full"]:
                axes.plot(x, place, "o", color=colours[stages[name]], markersize=9)
            if name == row["best_layer"]:
                axes.plot(x, place, "o", markersize=14, markerfacecolor="none", color=style.FAINT)
        words = "diverged" if pd.isna(row["score"]) else f"{100 * row['score']:.1f}"
        axes.annotate(words, (1, place), (6, 0), ("axes fraction", "data"), textcoords="offset points", va="center")
    axes.annotate(f"{metric_words([table])} (%)", (1, 1), (0, 6), "axes fraction", textcoords="offset points")
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=float(np.clip(11.5 - 0.045 * len(names), 7, 10.5)))
    axes.set_yticks(range(len(table)), table["variant"])
    axes.set_xlim(-0.7, len(names) - 0.3)
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.grid(color="#eeeeee")
    axes.tick_params(length=0)
    return figure


def _subtitle(table: pd.DataFrame) -> str:
    words = "Dots: layers that the greedy search keeps; ring: the best single layer; right: mean over the folds."
    shared, same, twos = agreement(table)
    if twos:
        words += f" Two searches that differ in their seeds alone share {shared:.0%} of their layers (mean of {twos}); "
        words += f"{same:.0%} choose exactly the same."
    return words
