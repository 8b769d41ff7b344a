"""Accuracy over the time that a further task adds, by the layers that it tunes (paper, section 4.3)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtuning.analysis.figures import style
from subtuning.analysis.tables import metric_words

WHOLE = "full"
"""The row of a task that shares nothing: a network of its own."""


@style.styled()
def draw(table: pd.DataFrame, layers: Mapping[str, Any], task: str, backbone: str) -> Figure:
    """Draw a table of `benchmark.latency.latencies`, one panel for each batch size.

    A point is a choice of layers whose score is known: its median time with quartiles, and its score. The line joins
    those that no other one beats in both; they are named.
    """
    sizes = sorted(set(table["batch_size"]))
    figure = Figure(figsize=(max(8.5, 5.6 * len(sizes)), 5.2), layout="constrained")
    style.headings(figure, f"What a further task costs: {task}, {backbone}", _subtitle(table))
    known = table[table["mean"].notna()]
    colours = style.stage_colours([row["stage"] for row in layers["layers"]])
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for axes, size in zip(panels, sizes, strict=True):
        style.accuracy_axis(axes, [known.assign(ci_low=known["mean"], ci_high=known["mean"])])
        axes.set_title(f"{size} image{'s' * (size > 1)} at once", fontsize=11, loc="left")
        axes.set_xlabel("added time (ms)")
        _panel(axes, known[known["batch_size"] == size], colours)
    for axes in panels[1:]:
        axes.set_ylabel("")
    return figure


def _subtitle(table: pd.DataFrame) -> str:
    n, device = int(table["n"].min()), table["device"].iloc[0]
    threads = f", {table['threads'].iloc[0]} threads" if device.startswith("cpu") else ""
    words = f"Time of the branch of a task that tunes these layers, beside a trunk that is computed anyway: {device}{threads}, "
    words += f"median and quartiles of {n} runs or more. {metric_words([table]).capitalize()}: cross-validation on train + val. "
    return words + "Line: no other choice is both faster and better. Grey line: a network of its own."


def _panel(axes: Axes, rows: pd.DataFrame, colours: Mapping[str, Any]) -> None:
    looks = style.method_looks(name for name in rows["name"] if name in style.LOOKS)
    best = front(rows)
    axes.step(best["added_ms"], 100 * best["mean"], where="post", color=style.FAINT, linewidth=1, zorder=1)
    for row in rows.to_dict("records"):
        colour, marker = looks.get(row["name"], (colours.get(row["stage"], style.INK), "o"))
        bar = [[row["added_ms"] - row["low_ms"]], [row["high_ms"] - row["added_ms"]]]
        size = 9 if row["name"] in looks else 6
        axes.errorbar(
            [row["added_ms"]], [100 * row["mean"]], xerr=bar, fmt=marker, color=colour, markersize=size, elinewidth=1
        )
    if (rows["name"] == WHOLE).any():
        axes.axvline(rows.loc[rows["name"] == WHOLE, "added_ms"].iloc[0], color="#bdbdbd", zorder=0)
    axes.set_xlim(left=0, right=1.08 * rows["high_ms"].max())
    named = rows[rows["name"].isin([*best["name"], *style.LOOKS])].drop_duplicates(["layers"], keep="last")
    for place, row in enumerate(named.sort_values("mean").to_dict("records")):
        side = -10 if place % 2 else 10
        looks_of: dict[str, Any] = {"fontsize": 9, "bbox": style.BEHIND_TEXT, "zorder": 5}
        axes.annotate(
            row["name"],
            (row["added_ms"], 100 * row["mean"]),
            (6, side),
            textcoords="offset points",
            ha="right" if row["added_ms"] > 0.8 * rows["added_ms"].max() else "left",
            va="center",
            **looks_of,
        )


def front(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that no other one beats in time and score, the fastest first."""
    ordered = rows.sort_values(["added_ms", "mean"], ascending=[True, False])
    before = np.maximum.accumulate(np.r_[-np.inf, ordered["mean"].to_numpy()[:-1]]) if len(ordered) else []
    return ordered[ordered["mean"].to_numpy() > before]
