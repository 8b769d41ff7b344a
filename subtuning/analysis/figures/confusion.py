"""What is taken for what: the confusion matrix, and of many classes the most common confusions by name."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtuning.analysis.errors.classes import common_mistakes
from subtuning.analysis.figures import style

READABLE = 20
"""Classes up to which cells have numbers; of more, the most common confusions are listed beside the matrix."""

NAMED = 40
"""Classes up to which rows and columns have names."""

LISTED = 20
LONGEST = 22
RIGHT, WRONG = "#dbe9f6", "Oranges"


@style.styled()
def confusion_figure(shares: np.ndarray, classes: Sequence[str], title: str, subtitle: str) -> Figure:
    """Draw a C x C `confusion`: a row a class, a column what it is taken for, in percent of the row's images.

    Mistakes are coloured, the right answers on the diagonal (the recalls) are not, so that rare mistakes show too.
    """
    count = len(classes)
    names = [short(name) for name in classes]
    figure = Figure(figsize=_size(count, names), layout="constrained")
    style.headings(figure, title, subtitle)
    if count <= READABLE:
        _matrix(figure.add_subplot(), shares, names)
        return figure
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1.25, 1]})
    _matrix(left, shares, names)
    _list(right, common_mistakes(shares, names, LISTED))
    return figure


def short(name: str, longest: int = LONGEST) -> str:
    """A name that is cut if it is too long for a figure."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _size(count: int, names: list[str]) -> tuple[float, float]:
    longest = max(map(len, names))
    if count > READABLE:
        return 13.3, 7.2
    side = float(np.clip(0.55 * count, 2.2, 8))
    return float(np.clip(side + 1.6 + 0.09 * longest, 7, 13.3)), side + 1.9 + (0.08 * longest if _upright(names) else 0)


def _upright(names: list[str]) -> bool:
    return max(map(len, names)) > 5


def _matrix(axes: Axes, shares: np.ndarray, names: list[str]) -> None:
    off = np.where(np.eye(len(names), dtype=bool), np.nan, 100 * shares)
    known = off[~np.isnan(off)]
    top = max(float(known.max(initial=0)), 1.0)
    axes.imshow(np.where(np.eye(len(names), dtype=bool), 0.0, np.nan), cmap=_plain(RIGHT), interpolation="nearest")
    image = axes.imshow(off, cmap=WRONG, vmin=0, vmax=top, interpolation="nearest")
    axes.set_xlabel("is taken for")
    axes.set_ylabel("class of the image")
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    if len(names) > NAMED:
        axes.set_xticks([])
        axes.set_yticks([])
    else:
        size = 10 if len(names) <= READABLE else 7.5
        axes.set_xticks(range(len(names)), names, rotation=90 if _upright(names) else 0, fontsize=size)
        axes.set_yticks(range(len(names)), names, fontsize=size)
    if len(names) <= READABLE:
        _numbers(axes, 100 * shares, top)
    else:
        bar = axes.figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02)
        bar.set_label("mistakes (% of the class's images)")
        bar.outline.set_visible(False)


def _plain(colour: str) -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap([colour])


def _numbers(axes: Axes, percents: np.ndarray, top: float) -> None:
    for (row, column), value in np.ndenumerate(percents):
        if np.isnan(value) or (value < 0.05 and row != column):
            continue
        looks: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9.5 if len(percents) <= 12 else 8}
        looks["fontweight"] = "bold" if row == column else "normal"
        looks["color"] = "white" if row != column and value > 0.65 * top else style.INK
        whole = 9.95 <= value < 99.5 or value == 100
        axes.text(column, row, f"{value:.0f}" if whole else f"{value:.1f}", **looks)


def _list(axes: Axes, found: list[tuple[str, str, float]]) -> None:
    """The most common confusions as bars, each named within the figure."""
    axes.set_title("most common confusions (% of the class's images)", fontsize=11, loc="left")
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
    if not found:
        axes.set_xticks([])
        axes.text(0.5, 0.5, "none", ha="center", transform=axes.transAxes)
        return
    places, top = np.arange(len(found)), 100 * found[0][2]
    axes.barh(places, [100 * share for *_, share in found], color="#f5b27a", height=0.75)
    for place, (one, other, share) in enumerate(found):
        axes.text(0.075 * top, place, f"{100 * share:.0f}", ha="right", va="center", fontsize=9, fontweight="bold")
        axes.text(0.1 * top, place, f"{one} → {other}", va="center", fontsize=9)
    axes.set_xlim(0, 1.02 * top)
    axes.set_ylim(max(len(found), 8) - 0.4, -0.6)
    axes.set_xticks([])
