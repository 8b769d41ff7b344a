"""Greedy-SubTuning as a figure: accuracy round by round, what was chosen and what lost."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtuning.analysis.figures import style

COLOUR = "#0072B2"
STARTS = {"forward": "linear", "backward": "full"}
SIGNS = {"forward": "+", "backward": "\N{MINUS SIGN}"}
TITLES = {"forward": "adding layers", "backward": "removing layers"}
AXES = {"forward": "the layer added in each round", "backward": "the layer removed in each round"}

WHY = {
    "epsilon": "its gain was not above epsilon",
    "one_se": "the end of the search is within one standard error of the subset without it",
    "test": "the end of the search is not significantly better than the subset without it",
}
"""The rule that decided -> why a round is not kept."""


@style.styled()
def greedy_figure(greedy: pd.DataFrame, profile: pd.DataFrame, task: str, backbone: str, split: str = "cv") -> Figure:
    """Draw a table of `greedy_table`, one panel a direction, on the baselines of the profile's ``linear`` and ``full``.

    Each round shows its best candidate with its interval and the others as faint dots; the layer that was added or
    removed is named below. A round that is not `kept` (as `greedy.stop` decided, or because the other direction won) is
    open and dotted. Candidates that diverged or were dropped from a race have no dot; their number is below the round's
    name.
    """
    directions = [name for name in STARTS if name in set(greedy["direction"])]
    tables = {name: greedy[greedy["direction"] == name] for name in directions}
    baselines = profile.set_index("layer").loc[list(style.BASELINES)]
    rounds = sum(table["round"].nunique() + 1 for table in tables.values())
    names = max(map(len, greedy["layer"]), default=0)
    size = float(np.clip(2.8 + 0.9 * rounds, 8, 13.3)), 4.6 + float(np.clip(0.06 * names, 0.4, 1.4))
    figure = Figure(figsize=size, layout="constrained")
    style.headings(figure, f"Greedy-SubTuning: {task}, {backbone}", _subtitle(greedy, split))
    ratios = {"width_ratios": [table["round"].nunique() + 1 for table in tables.values()] or [1]}
    panels = figure.subplots(1, max(len(tables), 1), sharey=True, squeeze=False, gridspec_kw=ratios)[0]
    rejected = "rejected: stop" if len(directions) < 2 else "not kept"
    for axes, direction in zip(panels, directions, strict=False):
        style.accuracy_axis(axes, [greedy, baselines])
        style.baselines(axes, dict(baselines.iterrows()), label=axes is panels[-1])
        _path(axes, tables[direction], baselines.loc[STARTS[direction]], direction, rejected)
        if len(directions) > 1:
            axes.set_title(TITLES[direction], fontsize=11, loc="left")
            axes.set_ylabel(axes.get_ylabel() if axes is panels[0] else "")
    return figure


def _subtitle(greedy: pd.DataFrame, split: str) -> str:
    words = f"The best layer of each round (line) and the other candidates (faint); {style.SPLIT_WORDS[split]}. "
    words += f"{style.made_words(split, greedy)}."
    if not greedy["kept"].all():
        words += f" Open circle: not kept, {' or '.join(WHY[rule] for rule in greedy['rule'].unique())}"
        words += " or the other direction found the better subset." if greedy["direction"].nunique() > 1 else "."
    if "dropped" in greedy and greedy["dropped"].any():
        words += " Dropped: stopped before the last fold, as they could hardly win any more."
    if greedy["corrected"].notna().any():
        score = greedy["corrected"].dropna().iloc[0]
        words += f" Without the luck of being chosen, the selected subset has {100 * score:.1f}."
    return words


def _path(axes: Axes, table: pd.DataFrame, start: Mapping[str, float], direction: str, rejected: str) -> None:
    labels, points = [STARTS[direction]], [(0, _start(axes, table, start), True)]
    for number, candidates in table.groupby("round"):
        label, mean, kept = _round(axes, number, candidates, points[-1], SIGNS[direction])
        labels.append(label if kept or mean is None else f"{label}\n({rejected})")
        if mean is not None:
            points.append((number, mean, kept))
    _values(axes, points)
    axes.set_xlim(-0.5, len(labels) - 0.5)
    slanted = max(map(len, labels)) > 8
    axes.set_xticks(range(len(labels)), labels, rotation=30 if slanted else 0, ha="right" if slanted else "center")
    axes.tick_params(axis="x", length=0, labelsize=10)
    axes.set_xlabel(AXES[direction])


def _start(axes: Axes, table: pd.DataFrame, start: Mapping[str, float]) -> float:
    """Draw the subset before round 1, return its percent; it has an interval if it is the profile's (the same runs)."""
    first = table[(table["round"] == table["round"].min()) & table["diff_previous"].notna()]
    mean = (first["mean"] - first["diff_previous"]).iloc[0] if len(first) else start["mean"]
    same = abs(mean - start["mean"]) < 1e-5  # tables on disk have six digits
    style.point(axes, 0, start if same else {"mean": mean, "ci_low": np.nan, "ci_high": np.nan}, COLOUR, 8)
    return 100 * mean


def _round(
    axes: Axes, number: int, candidates: pd.DataFrame, last: tuple[int, float, bool], sign: str
) -> tuple[str, float | None, bool]:
    """Draw one round; return its name on the x axis, the percent of its choice (None if all diverged), and `kept`."""
    others = candidates[~candidates["chosen"] & candidates["mean"].notna()]
    # The same few offsets in turn: dots of nearly equal height stay apart, without chance.
    x = number - 0.16 + 0.05 * (np.arange(len(others)) % 3 - 1)
    axes.plot(x, 100 * others["mean"], "o", color=COLOUR, alpha=0.25, markersize=4.5, markeredgewidth=0, zorder=2)
    lost, dropped = (
        candidates["mean"].isna(),
        candidates.get("dropped", pd.Series(False, candidates.index)).astype(bool),
    )
    counts = {"dropped": int((lost & dropped).sum()), "diverged": int((lost & ~dropped).sum())}
    note = "".join(f"\n({count} {words})" for words, count in counts.items() if count)
    best = candidates[candidates["chosen"] & candidates["mean"].notna()]
    if best.empty:
        return f"no choice{note}", None, False
    row, kept = best.iloc[0], bool(best["kept"].iloc[0])
    percent = 100 * row["mean"]
    dashes = "-" if kept else (0, (1, 1.5))
    axes.plot([last[0], number], [last[1], percent], color=COLOUR, linewidth=2, linestyle=dashes, zorder=2.5)
    style.point(axes, number, row, COLOUR, 8, filled=kept)
    return f"{sign} {row['layer']}{note}", percent, kept


def _values(axes: Axes, points: list[tuple[int, float, bool]]) -> None:
    """Write each point's percent on the side that the line to the next point leaves free."""
    following = [percent for _, percent, _ in points[1:]] + [np.inf]
    for (x, percent, kept), after in zip(points, following, strict=True):
        if not np.isnan(percent):
            side, weight = 9 if after < percent else -9, "bold" if kept else "normal"
            looks: dict[str, Any] = {"va": "center", "fontsize": 10, "fontweight": weight, "bbox": style.BEHIND_TEXT}
            axes.annotate(f"{percent:.1f}", (x, percent), (8, side), textcoords="offset points", zorder=5, **looks)
