"""Cheap rankings against the profile: one panel a ranking, one dot a layer."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from subtuning.analysis.figures import style
from subtuning.analysis.figures.labels import Spot, place_labels
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
    for axes, name in zip(figure.subplots(2, 2, sharey=True).flat, kept, strict=True):
        scores = rows.loc[name, names].astype(float)
        for layer in names:
            axes.plot(scores[layer], 100 * measured[layer], "o", color=colours[stages[layer]], markersize=7.5)
        _dress(axes, name, rows.loc[name])
    for axes in figure.axes[::2]:
        axes.set_ylabel(f"{metric_words([table])} (%)")
    figure.draw_without_rendering()
    for axes, name in zip(figure.axes, kept, strict=True):
        named = [rows.loc[name, "layer"], rows.loc["profile", "layer"]]
        place_labels(axes, _spots(rows.loc[name, names].astype(float), measured, named), fontsize=10, fontweight="bold")
    return figure


def _dress(axes: Axes, name: str, row: pd.Series) -> None:
    found = f"Spearman {row['spearman']:.2f} [{row['ci_low']:.2f}, {row['ci_high']:.2f}]; "
    found += f"its first choice loses {100 * row['lost']:.1f}"
    axes.set_title(found if pd.notna(row["spearman"]) else "no result", fontsize=11, loc="left")
    axes.set_xlabel(WORDS[name])
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.06, y=0.12)
    low, high = axes.get_xlim()
    axes.set_xlim(right=high * (high / low) ** 0.32)  # room for the name of the last dot
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(color="#e4e4e4", linewidth=0.8)


def _spots(scores: pd.Series, measured: pd.Series, named: Sequence[str]) -> list[Spot]:
    """The layers that have both scores; those in `named` first, with their names."""
    places = pd.DataFrame({"x": scores, "y": 100 * measured}).dropna()
    places = places.loc[[name for name in dict.fromkeys([*named, *places.index]) if name in places.index]]
    return [Spot(row.x, row.y, row.y, row.y, row.Index if row.Index in named else "") for row in places.itertuples()]
