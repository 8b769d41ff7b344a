"""Labels beside points, each where it covers no point, no bar and no other label."""

import textwrap
from collections.abc import Sequence
from math import hypot
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.path import Path
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from subtuning.analysis.figures import style

AROUND = [(1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1)]
PLACES = [(direction, distance) for distance in (1, 1.5, 2.2, 3, 4.2, 6, 8, 11, 15) for direction in AROUND]
"""Directions and distances from a point at which its label is tried, best first."""


class Spot(NamedTuple):
    """A point in the axes' data, the ends of its upright bar, its label ("" if it has none), and the ends of its level
    bar, if it has one."""

    x: float
    y: float
    low: float
    high: float
    label: str = ""
    left: float | None = None
    right: float | None = None

    @property
    def across(self) -> tuple[float, float]:
        """From where to where it reaches to the sides."""
        return self.x if self.left is None else self.left, self.x if self.right is None else self.right


def place_labels(axes: Axes, spots: Sequence[Spot], **looks: Any) -> list[Annotation]:
    """Put each label where it covers nothing; the farther places get a leader line. Same spots, same places.

    The axes must have their final size: call `figure.draw_without_rendering()` before.
    """
    points, labels = [_occupied(axes, spot) for spot in spots], []
    frame, written = axes.get_window_extent(), list[Bbox]()
    for spot, own in zip(spots, points, strict=True):
        if not spot.label:
            continue
        others = [box for box in points if box is not own]
        costs = {}
        for place in PLACES:
            label = _label(axes, spot, *place, **looks)
            costs[place] = _cost(text_box(label), own if place[1] > 1 else None, others, written, frame)
            label.remove()
            if not costs[place]:
                break
        labels.append(_label(axes, spot, *min(costs, key=costs.__getitem__), **looks))
        written.append(text_box(labels[-1]))
    return labels


def with_layers(method: str, layers: str, width: int = 30, lines: int = 3) -> str:
    """A method's name for a legend or label and, below it, the layers that its name does not tell."""
    if layers == method or layers in style.BASELINES:
        return method
    names = textwrap.wrap(layers.replace("+", " + "), width, max_lines=lines, placeholder=" …", break_on_hyphens=False)
    return "\n".join([method, *names])


def text_box(label: Annotation) -> Bbox:
    """The box of the text alone, in pixels: an annotation's own extent would hold its leader line."""
    label.get_window_extent()  # places the text
    return Text.get_window_extent(label).padded(2)


def _cost(box: Bbox, start: Bbox | None, points: Sequence[Bbox], labels: Sequence[Bbox], frame: Bbox) -> int:
    """How bad a label at `box` is: 1 for each thing under its leader line from `start`, and if it stands nearer to
    another point than that line is long; 10 for each point under it, 1000 for each label, and 1000 outside the axes."""
    inside = box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 and box.y1 <= frame.y1
    line = Path([bounds.get_points().mean(axis=0) for bounds in (start, box)]) if start else None
    crossed = sum(line.intersects_bbox(other, filled=False) for other in (*points, *labels)) if line else 0
    if start and any(_gap(box, other) < _gap(box, start) for other in points):
        crossed += 1
    covered = [sum(box.overlaps(other) for other in others) for others in (points, labels)]
    return crossed + 10 * covered[0] + 1000 * (covered[1] + (not inside))


def _gap(box: Bbox, other: Bbox) -> float:
    """Pixels between two boxes, 0 where they overlap."""
    across = max(box.x0 - other.x1, other.x0 - box.x1, 0.0)
    return hypot(across, max(box.y0 - other.y1, other.y0 - box.y1, 0.0))


def _label(axes: Axes, spot: Spot, direction: tuple[int, int], distance: float, **looks: Any) -> Annotation:
    across, up = direction
    # Straight above, below or beside starts from the bar's end, else from the point.
    anchor = spot.x if up else spot.across[across > 0], spot.y if across else (spot.high if up > 0 else spot.low)
    return axes.annotate(
        spot.label,
        xy=anchor,
        xytext=(11 * across * distance, 7 * up * distance + 8 * up * (distance - 1)),
        textcoords="offset points",
        ha={-1: "right", 0: "center", 1: "left"}[across],
        va="center" if across else ("bottom" if up > 0 else "top"),
        zorder=5,
        bbox=style.BEHIND_TEXT,
        arrowprops={"arrowstyle": "-", "color": style.FAINT, "linewidth": 0.8} if distance > 1 else None,
        **{"fontsize": 10.5} | looks,
    )


def _occupied(axes: Axes, spot: Spot) -> Bbox:
    """The box of a point and its bars, in pixels."""
    ends = zip(spot.across, (spot.low, spot.high), strict=True)
    (left, low), (right, high) = axes.transData.transform(list(ends))
    return Bbox([[left - 8, low - 8], [right + 8, high + 8]])
