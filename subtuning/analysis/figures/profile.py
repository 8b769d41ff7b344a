"""The finetuning profile as a figure: accuracy when only one layer is trained, layer by layer."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from subtuning.analysis.figures import style

LEAST_CHANCE = 0.05
"""Below this, the probability of being the best layer is not written into the figure."""


@style.styled()
def profile_figure(
    profile: pd.DataFrame, layers: Mapping[str, Any], task: str, backbone: str, split: str = "cv"
) -> Figure:
    """Draw a table of `profile_table`; `layers` (the content of layers.json) gives the stages.

    Layers stand in network order, coloured and bracketed by stage, with their intervals; ``linear`` and ``full`` are
    lines with bands. A point is open where the interval of its paired difference to ``linear`` holds zero. A layer
    with a diverged run has a cross and no number. One that was dropped from a race is small and grey, as far from
    ``linear`` as it was in the folds that it has. Below each layer that may be the best one stands its probability, in
    grey. `split` (``cv``, ``val``, ``test``) is named in the subtitle.
    """
    rows = profile.set_index("layer")
    names = [name for name in rows.index if name not in style.BASELINES]
    stages = {layer["name"]: layer["stage"] for layer in layers["layers"]}
    figure = Figure(figsize=_size(names), layout="constrained")
    axes = figure.add_subplot()
    places = _places(rows)
    limits, cut = style.without_wide(places)
    style.headings(figure, f"Finetuning profile: {task}, {backbone}", _subtitle(profile, split) + cut)
    style.accuracy_axis(axes, [limits.assign(metric=profile["metric"].iloc[0]) if "metric" in profile else limits])
    axes.set_xlim(-0.7, len(names) - 0.3)
    style.baselines(axes, {name: rows.loc[name] for name in style.BASELINES})
    colours = style.stage_colours([stages[name] for name in names])
    size = 7.5 if len(names) <= 60 else 5.0
    for x, name in enumerate(names):
        _point(axes, x, places.loc[name], colours[stages[name]], size)
    _best(axes, rows.loc[names])
    _chances(axes, rows.loc[names])
    _layer_axis(axes, names)
    _brackets(figure, axes, [stages[name] for name in names])
    return figure


def _places(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a mean and an interval for those that were dropped, too: that of ``linear`` and the difference.

    That difference is over fewer folds than the mean that it is added to, so the sum could lie beyond 0 or 1.
    """
    if "dropped" not in rows or not rows["dropped"].any():
        return rows.assign(dropped=False)
    dropped, linear = rows["dropped"].astype(bool), rows.loc["linear", "mean"]
    columns = {"mean": "diff_linear", "ci_low": "diff_ci_low", "ci_high": "diff_ci_high"}
    return rows.assign(
        **{name: rows[name].where(~dropped, (linear + rows[of]).clip(0, 1)) for name, of in columns.items()}
    )


def _size(names: list[str]) -> tuple[float, float]:
    """Inches: as wide as a slide at most, and higher where long names stand upright below."""
    longest = max(map(len, names))
    return float(np.clip(2.6 + 0.34 * len(names), 8, 13.3)), 4.6 + float(np.clip(0.08 * longest, 0.4, 1.8))


def _subtitle(profile: pd.DataFrame, split: str) -> str:
    way = f", with {profile['how'].iloc[0]}" if "how" in profile else ""
    words = f"One layer trained at a time{way}; {style.SPLIT_WORDS[split]}. "
    words += f"{style.made_words(split, profile)}."
    if profile["diff_ci_low"].notna().any():
        words += " Open circle: not clearly different from linear."
    dropped = int(profile["dropped"].sum()) if "dropped" in profile else 0
    if dropped:
        words += f" Small and grey, by the difference to linear: left the race early ({dropped})."
    if profile["p_best"].notna().any():
        words += f" Grey: probability of being the best layer, from {LEAST_CHANCE:.0%} on"
        words += ", among those that did not leave." if dropped else "."
    if profile["corrected"].notna().any():
        score = profile["corrected"].dropna().iloc[0]
        words += f" Without the luck of being chosen, the best layer has {100 * score:.1f}."
    return words


def _point(axes: Axes, x: int, row: pd.Series, colour: tuple[float, ...], size: float) -> None:
    if row["dropped"] and not np.isnan(row["mean"]):
        style.point(axes, x, row, style.FAINT, size / 2)
        return
    if np.isnan(row["mean"]):
        across = axes.get_xaxis_transform()
        axes.plot([x], [0.035], "x", color=style.INK, markersize=7, transform=across, zorder=4)
        looks: dict[str, Any] = {"rotation": 90, "fontsize": 9, "ha": "center", "va": "bottom"}
        axes.text(x, 0.085, "diverged", transform=across, bbox=style.BEHIND_TEXT | {"alpha": 1}, **looks)
        return
    alike = row["diff_ci_low"] <= 0 <= row["diff_ci_high"]
    style.point(axes, x, row, colour, size, filled=not alike)


def _best(axes: Axes, rows: pd.DataFrame) -> None:
    if rows["mean"].notna().any():
        x = int(np.nanargmax(rows["mean"].to_numpy()))
        row = rows.iloc[x]
        top, above = (row["mean"], 7) if np.isnan(row["ci_high"]) else (min(row["ci_high"], 1.0), 3)
        looks: dict[str, Any] = {"ha": "center", "va": "bottom", "fontweight": "bold", "fontsize": 10}
        floor, ceiling = axes.get_ylim()
        if ceiling < 100 * top + 0.06 * (ceiling - floor):  # no room above the bar: on its upper end
            top, above, looks = ceiling / 100, -3, looks | {"va": "top", "bbox": style.BEHIND_TEXT, "zorder": 5}
        axes.annotate(f"{100 * row['mean']:.1f}", (x, 100 * top), (0, above), textcoords="offset points", **looks)


def _chances(axes: Axes, rows: pd.DataFrame) -> None:
    for x, (_, row) in enumerate(rows.iterrows()):
        if row["p_best"] >= LEAST_CHANCE:
            low = row["mean"] if np.isnan(row["ci_low"]) else max(row["ci_low"], 0.0)
            looks: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 8.5, "color": style.FAINT}
            floor, top = axes.get_ylim()
            if 100 * low - floor < 0.06 * (top - floor):  # no room below the bar: on its lower end
                low, looks = floor / 100, looks | {"va": "bottom", "bbox": style.BEHIND_TEXT, "zorder": 5}
            side = 4 if looks["va"] == "bottom" else -4
            axes.annotate(f"{row['p_best']:.0%}", (x, 100 * low), (0, side), textcoords="offset points", **looks)


def _layer_axis(axes: Axes, names: list[str]) -> None:
    upright = len(names) > 8 or max(map(len, names), default=0) > 10
    size = float(np.clip(11.5 - 0.045 * len(names), 7, 10.5))
    axes.set_xticks(range(len(names)), names, rotation=90 if upright else 0, fontsize=size)
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("the trained layer, in network order")


def _brackets(figure: Figure, axes: Axes, stages: list[str]) -> None:
    """Alternating shades behind the stages; a bracket and a name above those of several layers."""
    figure.draw_without_rendering()
    column = axes.get_window_extent().width / len(stages)
    spans = [(stage, list(members)) for stage, members in groupby(range(len(stages)), key=lambda x: stages[x])]
    for _, members in spans[1::2]:
        axes.axvspan(members[0] - 0.5, members[-1] + 0.5, color="#f3f3f3", linewidth=0, zorder=0)
    labels = [_bracket(axes, stage, members) for stage, members in spans if len(members) > 1]
    rooms = [0.92 * column * len(members) for _, members in spans if len(members) > 1]
    if any(label.get_window_extent().width > room for label, room in zip(labels, rooms, strict=True)):
        for label, room in zip(labels, rooms, strict=True):
            label.set_text(label.get_text().rsplit(".", 1)[-1])
            label.set_visible(label.get_window_extent().width <= room)


def _bracket(axes: Axes, stage: str, members: list[int]) -> Text:
    across = axes.get_xaxis_transform()  # x in layers, y in heights of the axes
    ends = [members[0] - 0.35, members[-1] + 0.35]
    axes.plot(ends, [1.015, 1.015], color=style.FAINT, linewidth=1.2, transform=across, clip_on=False)
    looks: dict[str, Any] = {"ha": "center", "fontsize": 9.5, "color": style.FAINT, "textcoords": "offset points"}
    return axes.annotate(stage, (sum(ends) / 2, 1.015), (0, 2.5), xycoords=across, **looks)
