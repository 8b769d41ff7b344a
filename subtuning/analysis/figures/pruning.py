"""Accuracy over the time that a task adds, by the share of its branch's channels that was removed."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtuning.analysis.figures import style
from subtuning.analysis.figures.labels import Spot, place_labels


@style.styled()
def pruning_figure(table: pd.DataFrame, task: str) -> Figure:
    """Draw a table of `benchmark.pruning.pruning_table`, one panel for each batch size.

    A filled point is a network that was trained again, with the interval of its accuracy and the quartiles of its time;
    the hollow one below it is the same before that training. What diverged has no point.
    """
    sizes = sorted(set(table["batch_size"]))
    figure = Figure(figsize=(max(8.5, 5.6 * len(sizes)), 5.0), layout="constrained")
    style.headings(figure, f"What pruning costs and saves: {task}", _subtitle(table))
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    before = table.assign(mean=table["before"])
    for axes, size in zip(panels, sizes, strict=True):
        style.accuracy_axis(axes, [table, before])
        axes.set_title(f"{size} image{'s' * (size > 1)} at once", fontsize=11, loc="left")
        axes.set_xlabel("added time (ms)")
        _panel(figure, axes, table[table["batch_size"] == size])
    for axes in panels[1:]:
        axes.set_ylabel("")
    return figure


def _panel(figure: Figure, axes: Axes, rows: pd.DataFrame) -> None:
    axes.plot(rows["added_ms"], 100 * rows["mean"], color=style.FAINT, linewidth=1, zorder=1)
    axes.plot(rows["added_ms"], 100 * rows["before"], "o", color=style.FAINT, markerfacecolor="white", zorder=2)
    spots = []
    for row in rows[rows["mean"].notna()].to_dict("records"):
        style.point(axes, row["added_ms"], row, style.LOOKS["greedy"][0], 7.5)
        axes.plot([row["low_ms"], row["high_ms"]], [100 * row["mean"]] * 2, color=style.INK, linewidth=0.8, zorder=4)
        low, high = (100 * (row["mean"] if np.isnan(row[end]) else row[end]) for end in ("ci_low", "ci_high"))
        words = f"{row['fraction']:.0%} removed" if row["fraction"] else "whole"
        spots.append(Spot(row["added_ms"], 100 * row["mean"], low, high, words, row["low_ms"], row["high_ms"]))
    axes.set_xlim(left=0, right=1.2 * rows["high_ms"].max())
    figure.draw_without_rendering()
    place_labels(axes, spots, fontsize=9.5)


def _subtitle(table: pd.DataFrame) -> str:
    first: dict[Any, Any] = table.iloc[0].to_dict()
    device = first["device"] + (f", threads: {first['threads']}" if first["device"].startswith("cpu") else "")
    seeds, images, epochs = int(first["seeds"]), int(first["images"]), int(first["epochs"])
    made = f"95% intervals over n = {seeds} trainings x {images} images" if seeds > 1 else "one training each"
    return (
        "Test images, after channels of the task's branch were removed and its tuned layers trained for "
        f"{epochs} more epoch{'s' * (epochs > 1)} ({made}). Hollow: before that training. Time of the branch: median "
        f"and quartiles of {int(table['n'].min())} runs or more, {device}."
    )
