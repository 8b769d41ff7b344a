"""Which layer helps on which task: the profiles of one backbone as a heat map."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from subtuning.analysis.figures import style
from subtuning.analysis.figures.confusion import short
from subtuning.analysis.figures.depths import Profiled, best_layer
from subtuning.analysis.tables import metric_words

WRITTEN = 26
"""Layers up to which every cell has its number."""

COLOURS = LinearSegmentedColormap.from_list("loss to gain", ["#b35806", "#fdc68a", "white", "#9ecae1", "#08519c"])


@style.styled()
def heat_figure(items: Sequence[Profiled]) -> Figure:
    """Draw the tasks of one backbone: a row a task, a column a layer, coloured by the gain over ``linear``.

    Colours are shares of the task's largest gain or loss, so that tasks with small gains show theirs too; what is not
    clearly different from ``linear`` has none. A frame marks the task's best layer, a cross a diverged run.
    """
    gains = pd.DataFrame({item.task: item.gains["gain"] for item in items}, index=items[0].gains.index).T
    alike = pd.DataFrame({item.task: item.gains["alike"] for item in items}, index=gains.columns).T
    names, tasks = list(gains.columns), [short(task) for task in gains.index]
    best = {item.task: best_layer(item.gains) for item in items}
    if len(names) > WRITTEN:
        most = [gains.loc[task, name] if name else float("nan") for task, name in best.items()]
        tasks = [f"{task}, best {gain:+z.1f}" for task, gain in zip(tasks, most, strict=True)]
    figure = Figure(figsize=_size(names, tasks), layout="constrained")
    style.headings(figure, f"Which layer helps on which task: {items[0].backbone}", _subtitle(items))
    axes = figure.add_subplot()
    shares = gains.where(~alike.astype(bool)).div(gains.drop(columns="full").abs().max(axis=1), axis=0)
    axes.pcolormesh(shares.clip(-1, 1), cmap=COLOURS, vmin=-1, vmax=1, edgecolors="#e4e4e4", linewidth=0.6)
    _cells(axes, gains, shares, list(best.values()))
    _dress(axes, names, tasks)
    return figure


def _size(names: Sequence[str], tasks: Sequence[str]) -> tuple[float, float]:
    """Inches: as wide as a slide at most."""
    width = 2.4 + 0.08 * max(map(len, tasks)) + 0.5 * len(names)
    return float(np.clip(width, 8, 13.3)), 2.0 + 0.36 * len(tasks) + 0.08 * max(map(len, names))


def _subtitle(items: Sequence[Profiled]) -> str:
    metric = metric_words([item.profile for item in items])
    words = f"Gain in {metric} (points) over linear when this layer alone is trained, or all (full); "
    words += f"{style.SPLIT_WORDS['cv']}. {style.made_words('cv', pd.concat([item.profile for item in items]))}. "
    words += (
        "Framed: the task's best layer. Blue: a gain, orange: a loss, darker the nearer it is to the task's largest; "
    )
    return words + "without colour: not clearly different from linear."


def _cells(axes: Axes, gains: pd.DataFrame, shares: pd.DataFrame, best: Sequence[str | None]) -> None:
    looks: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8.5}
    for row, (_, values) in enumerate(gains.iterrows()):
        for column, (name, value) in enumerate(values.items()):
            strong = abs(np.nan_to_num(shares.iat[row, column])) > 0.7
            text = "\N{MULTIPLICATION SIGN}" if np.isnan(value) else f"{value:+z.1f}" if len(values) <= WRITTEN else ""
            colour = "white" if strong else style.FAINT if np.isnan(shares.iat[row, column]) else style.INK
            axes.text(column + 0.5, row + 0.5, text, color=colour, **looks)
            if name == best[row]:
                frame = mpl.patches.Rectangle((column, row), 1, 1, fill=False, edgecolor="black", linewidth=1.8)
                frame.set_clip_on(False)
                axes.add_patch(frame)


def _dress(axes: Axes, names: Sequence[str], tasks: Sequence[str]) -> None:
    upright = max(map(len, names)) > 4
    size = float(np.clip(11.5 - 0.045 * len(names), 7, 10))
    axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=90 if upright else 0, fontsize=size)
    axes.set_yticks(np.arange(len(tasks)) + 0.5, tasks, fontsize=10)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.axvline(len(names) - 1, color=style.FAINT, linewidth=1.5)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xlabel("the trained layer, in network order")
