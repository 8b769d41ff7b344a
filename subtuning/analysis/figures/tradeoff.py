"""Test accuracy against the number of trained parameters."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from subtuning.analysis.figures import style
from subtuning.analysis.tables import metric_words

AROUND = [(1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1)]
PLACES = [(direction, distance) for distance in (1, 1.5, 2.2, 3, 4.2) for direction in AROUND]
"""Directions and distances from a point at which its label is tried, best first."""


@style.styled()
def tradeoff_figure(evaluation: pd.DataFrame, task: str, backbone: str) -> Figure:
    """Draw a table of `evaluation_table`: mean test accuracy with its interval against trained parameters (log).

    Intervals are those over seeds and images if all methods that are drawn have them, else those over the seeds.

    Methods that trained the same subset share a point. A method with a diverged run has none; the subtitle names it.
    """
    evaluation = _with_intervals(evaluation)
    figure = Figure(figsize=(8.5, 5.4), layout="constrained")
    axes = figure.add_subplot()
    style.headings(figure, f"{_metric(evaluation)} and trained parameters: {task}, {backbone}", _subtitle(evaluation))
    drawn = _same_subset(evaluation[evaluation["mean"].notna()])
    style.accuracy_axis(axes, [drawn])
    _parameter_axis(axes, evaluation["trained_parameters"])
    looks = style.method_looks(drawn["method"])
    for row in drawn.to_dict("records"):
        colour, marker = looks[row["method"]]
        style.point(axes, row["trained_parameters"], row, colour, 8.5, marker=marker)
    _labels(figure, axes, drawn.to_dict("records"))
    return figure


def _with_intervals(evaluation: pd.DataFrame) -> pd.DataFrame:
    """The table with the interval to draw as `ci_low` and `ci_high`, and `images` only where it is over images too."""
    finished = evaluation[evaluation["mean"].notna()]
    if "two_way_low" in evaluation and finished["two_way_low"].notna().all():
        return evaluation.assign(ci_low=evaluation["two_way_low"], ci_high=evaluation["two_way_high"])
    return evaluation.assign(images=np.nan)


def _metric(evaluation: pd.DataFrame) -> str:
    words = metric_words([evaluation])
    return words[0].upper() + words[1:]


def _subtitle(evaluation: pd.DataFrame) -> str:
    images = 0 if evaluation["images"].isna().all() else int(evaluation["images"].max())
    words = f"Test images. {style.made_words('test', evaluation, images)}."
    words += " In brackets: share of all parameters that were trained, head included."
    diverged = evaluation[evaluation["mean"].isna()]
    if len(diverged):
        words += " Diverged, so not shown: " + ", ".join(diverged["method"]) + "."
    return words


def _same_subset(evaluation: pd.DataFrame) -> pd.DataFrame:
    """One row a subset; its label names all its methods."""
    labels = evaluation.groupby("layers", sort=False)["method"].agg(" = ".join)
    rows = evaluation.drop_duplicates("layers", keep="last").copy()
    rows["label"] = rows["layers"].map(labels) + rows["trained_percent"].map(" ({:.3g}%)".format)
    return rows


def _parameter_axis(axes: Axes, parameters: pd.Series) -> None:
    axes.set_xscale("log")
    low, high = float(parameters.min()), float(parameters.max())
    spread = max(high / low, 20.0)
    axes.set_xlim(low / spread**0.08, high * spread**0.34)  # on the right, room for a label
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 30 else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("trained parameters (logarithmic)")


def short_count(value: float) -> str:
    """A count as people say it: ``950``, ``12k``, ``3.4M``, ``1.2B``."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _labels(figure: Figure, axes: Axes, rows: list[Mapping]) -> None:
    """Put each label where it covers no point, bar or other label; the farther tries get a leader line."""
    figure.draw_without_rendering()
    taken = [_occupied(axes, row) for row in rows]
    for row, own in zip(rows, list(taken), strict=True):
        others = [box for box in taken if box is not own]
        costs = {}
        for place in PLACES:
            label = _label(axes, row, *place)
            costs[place] = _cost(_text_box(label), own if place[1] > 1 else None, others, axes.get_window_extent())
            label.remove()
            if not costs[place]:
                break
        taken.append(_text_box(_label(axes, row, *min(costs, key=costs.__getitem__))))


def _cost(box: Bbox, start: Bbox | None, others: list[Bbox], frame: Bbox) -> int:
    """How much a label at `box` would cover: 1 for each thing under it or under its leader line from `start`, 2 outside
    the axes."""
    inside = box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 and box.y1 <= frame.y1
    line = Path([bounds.get_points().mean(axis=0) for bounds in (start, box)]) if start else None
    crossed = sum(line.intersects_bbox(other, filled=False) for other in others) if line else 0
    return sum(box.overlaps(other) for other in others) + crossed + 2 * (not inside)


def _label(axes: Axes, row: Mapping, direction: tuple[float, float], distance: float) -> Annotation:
    across, up = direction
    top = row["mean"] if np.isnan(row["ci_high"]) else min(row["ci_high"], 1)
    bottom = row["mean"] if np.isnan(row["ci_low"]) else max(row["ci_low"], 0)
    # Straight above or below starts from the bar's end, else from the point.
    anchor = row["mean"] if across else (top if up > 0 else bottom)
    return axes.annotate(
        row["label"],
        xy=(row["trained_parameters"], 100 * anchor),
        xytext=(11 * across * distance, 7 * up * distance + 8 * up * (distance - 1)),
        textcoords="offset points",
        ha={-1: "right", 0: "center", 1: "left"}[across],
        va="center" if across else ("bottom" if up > 0 else "top"),
        fontsize=10.5,
        zorder=5,
        bbox=style.BEHIND_TEXT,
        arrowprops={"arrowstyle": "-", "color": style.FAINT, "linewidth": 0.8} if distance > 1 else None,
    )


def _text_box(label: Annotation) -> Bbox:
    """The box of the text alone, in pixels: an annotation's own extent would hold its leader line."""
    label.get_window_extent()  # places the text
    return Text.get_window_extent(label).padded(2)


def _occupied(axes: Axes, row: Mapping) -> Bbox:
    """The box of a point and its bar, in pixels."""
    ends = [row["mean"] if np.isnan(row[end]) else np.clip(row[end], 0, 1) for end in ("ci_low", "ci_high")]
    (x, low), (_, high) = axes.transData.transform([(row["trained_parameters"], 100 * end) for end in ends])
    return Bbox([[x - 8, low - 8], [x + 8, high + 8]])
