"""Labels of points that cover nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from subtuning.analysis.figures import style

AROUND = [(1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1)]
PLACES = [(direction, distance) for distance in (1, 1.5, 2.2, 3, 4.2) for direction in AROUND]
"""Directions and distances from a point at which its label is tried, best first."""


def place_labels(
    figure: Figure, axes: Axes, rows: Sequence[Mapping[str, Any]], across: str, size: float = 10.5
) -> None:
    """Put each label where it covers no point, bar or other label; the farther tries get a leader line.

    Args:
        rows: of each point `mean`, `ci_low` and `ci_high` (0-1) and its `label`, None for a point without one.
        across: the key of its place on the horizontal axis.
        size: of the letters, in points.
    """
    figure.draw_without_rendering()
    points = [{**row, "x": row[across], "size": size} for row in rows]
    taken = [_occupied(axes, point) for point in points]
    for row, own in zip(points, list(taken), strict=True):
        if row["label"] is None:
            continue
        others = [box for box in taken if box is not own]
        costs = {}
        for place in PLACES:
            label = _label(axes, row, *place)
            costs[place] = _cost(text_box(label), own if place[1] > 1 else None, others, axes.get_window_extent())
            label.remove()
            if not costs[place]:
                break
        taken.append(text_box(_label(axes, row, *min(costs, key=costs.__getitem__))))


def _cost(box: Bbox, start: Bbox | None, others: list[Bbox], frame: Bbox) -> int:
    """How much a label at `box` would cover: 1 for each thing under it or under its leader line from `start`, 2 outside
    the axes."""
    inside = box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 and box.y1 <= frame.y1
    line = Path([bounds.get_points().mean(axis=0) for bounds in (start, box)]) if start else None
    crossed = sum(line.intersects_bbox(other, filled=False) for other in others) if line else 0
    return sum(box.overlaps(other) for other in others) + crossed + 2 * (not inside)


def _label(axes: Axes, row: Mapping[str, Any], direction: tuple[int, int], distance: float) -> Annotation:
    across, up = direction
    top = row["mean"] if np.isnan(row["ci_high"]) else min(row["ci_high"], 1)
    bottom = row["mean"] if np.isnan(row["ci_low"]) else max(row["ci_low"], 0)
    # Straight above or below starts from the bar's end, else from the point.
    anchor = row["mean"] if across else (top if up > 0 else bottom)
    return axes.annotate(
        row["label"],
        xy=(row["x"], 100 * anchor),
        xytext=(11 * across * distance, 7 * up * distance + 8 * up * (distance - 1)),
        textcoords="offset points",
        ha={-1: "right", 0: "center", 1: "left"}[across],
        va="center" if across else ("bottom" if up > 0 else "top"),
        fontsize=row["size"],
        zorder=5,
        bbox=style.BEHIND_TEXT,
        arrowprops={"arrowstyle": "-", "color": style.FAINT, "linewidth": 0.8} if distance > 1 else None,
    )


def text_box(label: Annotation) -> Bbox:
    """The box of the text alone, in pixels: an annotation's own extent would hold its leader line."""
    label.get_window_extent()  # places the text
    return Text.get_window_extent(label).padded(2)


def _occupied(axes: Axes, row: Mapping[str, Any]) -> Bbox:
    """The box of a point and its bar, in pixels."""
    ends = [row["mean"] if np.isnan(row[end]) else np.clip(row[end], 0, 1) for end in ("ci_low", "ci_high")]
    (x, low), (_, high) = axes.transData.transform([(row["x"], 100 * end) for end in ends])
    return Bbox([[x - 8, low - 8], [x + 8, high + 8]])
