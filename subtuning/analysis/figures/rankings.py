"""Cheap rankings against the profile: one panel a ranking, one dot a layer."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtuning.analysis.figures import style
from subtuning.analysis.tables import metric_words
from subtuning.analysis.tables.rankings import COLUMNS

WORDS = {
    "gradient": "relative gradient norm",
    "fisher": "Fisher information",
    "probed_gradient": "relative gradient norm, head trained",
    "displacement": "displacement in full fine-tuning",
}


@style.styled()
def draw(table: pd.DataFrame, layers: Mapping[str, Any], task: str, backbone: str) -> Figure:
    """Draw a table of `analysis.tables.rankings`; dots are coloured by stage.

    Only the layer that a ranking would choose and the profile's best have their names.
    """
    rows = table.set_index("ranking")
    names = [name for name in table.columns if name not in COLUMNS]
    measured = rows.loc["profile", names].astype(float)
    stages = {layer["name"]: layer["stage"] for layer in layers["layers"]}
    colours = style.stage_colours([stages[name] for name in names])
    figure = Figure(figsize=(10.5, 8.2), layout="constrained")
    words = (
        "Each dot is a layer, coloured by stage from blue (first) to green (last). Height: its score in the profile "
    )
    words += "(cross-validation). The closer the dots are to a rising line, the better the ranking."
    style.headings(figure, f"Cheap rankings of layers: {task}, {backbone}", words)
    kept = [name for name in rows.index if name != "profile"]
    panels = figure.subplots(2, 2, sharey=True).flat
    for axes, name in zip(panels, kept, strict=True):
        scores = rows.loc[name, names].astype(float)
        for layer in names:
            axes.plot(scores[layer], 100 * measured[layer], "o", color=colours[stages[layer]], markersize=7.5)
        _titles(axes, name, rows.loc[name])
        _names(axes, scores, measured, [rows.loc[name, "layer"], rows.loc["profile", "layer"]])
    for axes in figure.axes[::2]:
        axes.set_ylabel(f"{metric_words([table])} (%)")
    return figure


def _titles(axes: Axes, name: str, row: pd.Series) -> None:
    found = f"Spearman {row['spearman']:.2f} [{row['ci_low']:.2f}, {row['ci_high']:.2f}], loses {100 * row['lost']:.1f}"
    axes.set_title(found if pd.notna(row["spearman"]) else "no result", fontsize=11, loc="left")
    axes.set_xlabel(WORDS.get(name, name))
    axes.set_xscale("log")
    axes.grid(color="#e4e4e4", linewidth=0.8)


def _names(axes: Axes, scores: pd.Series, measured: pd.Series, chosen: list[str]) -> None:
    """Names of the chosen layer and the best one, each on the side that has room."""
    for layer, side in zip(dict.fromkeys(chosen), (-1, 1), strict=False):
        if pd.isna(layer) or np.isnan(scores[layer]) or np.isnan(measured[layer]):
            continue
        right = (scores < scores[layer]).mean() < 0.5
        looks: dict[str, Any] = {"ha": "left" if right else "right", "va": "center", "fontsize": 10}
        place = (9 if right else -9, 9 * side)
        axes.annotate(
            layer, (scores[layer], 100 * measured[layer]), place, textcoords="offset points",
            bbox=style.BEHIND_TEXT, fontweight="bold", **looks,
        )  # fmt: skip
