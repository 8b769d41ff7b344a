"""Finetuning profiles of several tasks and backbones in one picture, over the relative depth of the layers."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtuning.analysis.figures import style
from subtuning.analysis.figures.confusion import short
from subtuning.analysis.figures.labels import Spot, place_labels
from subtuning.analysis.tables import metric_words

COLUMNS = 4
"""Panels in a row, at most."""

FULL = 1.12
"""Where `full` stands, behind the last layer."""

NAMED = 4
"""Lines in a panel up to which the best layer of each has its name."""


class Profiled(NamedTuple):
    """A task and backbone, and its profile table."""

    task: str
    backbone: str
    profile: pd.DataFrame

    @property
    def gains(self) -> pd.DataFrame:
        """A row a layer, in network order, and then ``full``: `depth` (its place among the trained layers, 0-1), `gain`
        over ``linear`` with `low` and `high` (points; NaN where a run diverged), whether it was `dropped` from a race
        and so has fewer folds, and whether it is `alike` (its interval holds 0)."""
        rows = self.profile.set_index("layer").drop(index="linear")
        rows = pd.concat([rows.drop(index="full"), rows.loc[["full"]]])
        found = pd.DataFrame({"gain": 100 * rows["diff_linear"]})
        found["low"], found["high"] = 100 * rows["diff_ci_low"], 100 * rows["diff_ci_high"]
        found["dropped"] = rows["dropped"].astype(bool) if "dropped" in rows else False
        found["alike"] = (found["low"] <= 0) & (found["high"] >= 0)
        found["depth"] = [*np.linspace(0, 1, len(rows) - 1), FULL]
        return found


@style.styled()
def depths_figure(items: Sequence[Profiled]) -> Figure:
    """Draw one panel a task, one line a backbone: the gain over ``linear`` when one layer is trained, over its depth.

    The best layer of a line is large and, of up to `NAMED` lines, named; what is not clearly different from ``linear``
    is open. Behind the last layer stands ``full``.
    """
    tasks, backbones = (list(dict.fromkeys(names)) for names in list(zip(*items, strict=True))[:2])
    columns = min(len(tasks), COLUMNS)
    lines = -(-len(tasks) // columns)
    figure = Figure(figsize=(max(3.35 * columns, 8.0) + 0.4, 3.1 * lines + 1.8), layout="constrained")
    style.headings(figure, "Finetuning profiles over the depth of the network", _subtitle(items))
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    looks = dict(zip(backbones, _looks(), strict=False))
    for axes, task in zip(panels, tasks, strict=False):
        axes.set_title(short(task, 34), fontsize=11, loc="left")
        for item in (item for item in items if item.task == task):
            _line(axes, item.gains, looks[item.backbone], item.backbone)
        _dress(axes, pd.concat([item.gains for item in items if item.task == task]))
    for axes in panels[len(tasks) :]:
        axes.remove()
    for place, axes in enumerate(panels[: len(tasks)]):
        if place % columns == 0:
            axes.set_ylabel(f"gain in {metric_words([item.profile for item in items])} (points)")
        if place + columns >= len(tasks):
            axes.set_xlabel("relative depth of the trained layer")
    if len(backbones) > 1:
        handles, names = panels[0].get_legend_handles_labels()
        fitting = int(figure.get_figwidth() // (0.8 + 0.1 * max(map(len, names))))
        figure.legend(handles, names, loc="outside lower center", ncols=max(1, min(len(names), fitting)), frameon=False)
    figure.draw_without_rendering()
    for axes, task in zip(panels, tasks, strict=False):
        own = [item for item in items if item.task == task]
        labels = place_labels(axes, _spots([item.gains for item in own]), fontsize=9)
        for label, item in zip(labels, own, strict=False):
            label.set_color(looks[item.backbone]["color"])
    return figure


def best_layer(gains: pd.DataFrame) -> str | None:
    """The layer of `Profiled.gains` that gains most, of those in all folds; None if all diverged."""
    known = gains["gain"][~gains["dropped"]].drop("full").dropna()
    return str(known.idxmax()) if len(known) else None


def _subtitle(items: Sequence[Profiled]) -> str:
    words = "One layer trained at a time; difference to linear (the head alone), "
    words += f"{style.SPLIT_WORDS['cv']}. 0 is the first layer, 1 the last; each panel has its own scale. "
    words += f"{style.made_words('cv', pd.concat([item.profile for item in items]))}. Large: the best layer. "
    return words + "Open: not clearly different from linear. Wide intervals are cut off."


def _looks() -> Iterator[dict[str, Any]]:
    """Colours in turn, and another marker and dashes after each turn."""
    for turn in range(1000):
        for colour in style.OTHERS:
            yield {"color": colour, "marker": "osD^v"[turn % 5], "linestyle": ["-", "--", ":"][turn % 3]}


def _line(axes: Axes, gains: pd.DataFrame, looks: dict[str, Any], name: str) -> None:
    layers, best = gains.drop(index="full"), best_layer(gains)
    axes.fill_between(layers["depth"], layers["low"], layers["high"], color=looks["color"], alpha=0.1, linewidth=0)
    axes.plot(layers["depth"], layers["gain"], linewidth=1.3, markersize=4, label=name, **looks)
    points = {"linestyle": "none", "zorder": 3}
    for layer, row in gains.iterrows():
        size = 8.5 if layer == best else 4.5
        face = "white" if row["alike"] else looks["color"]
        axes.plot(row["depth"], row["gain"], markersize=size, **looks | points | {"markerfacecolor": face})


def _dress(axes: Axes, gains: pd.DataFrame) -> None:
    axes.axhline(0, color="#444444", linestyle=(0, (4, 3)), linewidth=1.2, zorder=1)
    axes.set_xlim(-0.05, FULL + 0.08)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1, FULL], ["0", "", "0.5", "", "1", "full"])
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.8)
    axes.tick_params(length=0, labelsize=10)
    axes.margins(y=0.2)
    low, high = style.room_around(pd.Series([0.0, *gains["gain"]]), 1.0)  # 0: the line of `linear`
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, low), min(top, high))


def _spots(lines: Sequence[pd.DataFrame]) -> list[Spot]:
    """All points of a panel; the best layer of each line has a label."""
    spots = []
    for gains in lines:
        best = best_layer(gains)
        for name, row in gains.dropna(subset="gain").iterrows():
            named = len(lines) <= NAMED and name == best
            spots.append(Spot(row["depth"], row["gain"], row["gain"], row["gain"], str(name) if named else ""))
    return spots
