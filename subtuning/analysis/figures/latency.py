"""Accuracy over the time that a further task adds, by the layers that it tunes (paper, section 4.3)."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtuning.analysis.figures import style
from subtuning.analysis.figures.front import draw_front
from subtuning.analysis.figures.labels import Spot, place_labels
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
        _panel(figure, axes, known[known["batch_size"] == size], colours)
    for axes in panels[1:]:
        axes.set_ylabel("")
    return figure


def _subtitle(table: pd.DataFrame) -> str:
    n, device, threads = int(table["n"].min()), table["device"].iloc[0], table["threads"].iloc[0]
    metric = metric_words([table])
    where = f"{device}, threads: {threads}" if device.startswith("cpu") else device
    return (
        f"Time from where the trunk ends, which is computed anyway, to the answer: median and quartiles of {n} runs or "
        f"more, {where}. {metric[0].upper()}{metric[1:]}: "
        "cross-validation on train + val. Line: no other choice is both faster and better. Grey: a network of its own."
    )


def _panel(figure: Figure, axes: Axes, rows: pd.DataFrame, colours: Mapping[str, Any]) -> None:
    looks = style.method_looks(name for name in rows["name"] if name in style.LOOKS)
    best, spots = draw_front(axes, rows, "added_ms"), []
    for row in _same_layers(rows).to_dict("records"):
        colour, marker = looks.get(row["name"], (colours.get(row["stage"], style.INK), "o"))
        bar = [[row["added_ms"] - row["low_ms"]], [row["high_ms"] - row["added_ms"]]]
        size = 8.5 if row["name"] in looks else 6
        drawn: dict[str, Any] = {"color": colour, "markersize": size, "elinewidth": 0.8, "zorder": 3}
        axes.errorbar([row["added_ms"]], [100 * row["mean"]], xerr=bar, fmt=marker, **drawn)
        is_named = row["name"] in {*best["name"], *looks}
        score = 100 * row["mean"]
        label = row["label"] if is_named else ""
        spots.append(Spot(row["added_ms"], score, score, score, label, row["low_ms"], row["high_ms"]))
    for whole in rows.loc[rows["name"] == WHOLE, "added_ms"]:
        axes.axvline(whole, color="#bdbdbd", zorder=0)
    most = rows["high_ms"].max()
    axes.set_xlim(-0.025 * most, 1.08 * most)  # the marker of a head alone is at almost no time
    figure.draw_without_rendering()
    place_labels(axes, spots, fontsize=9)


def _same_layers(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for the same layers: the greedy search's is the layer's own if it chose one; its label names both."""
    labels = rows.groupby("layers", sort=False)["name"].agg(" = ".join)
    return rows.drop_duplicates("layers", keep="last").assign(label=lambda left: left["layers"].map(labels))
