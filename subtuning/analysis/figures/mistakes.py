"""A contact sheet of mistakes: the images, what they are, what they are taken for, and their file names."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtuning.analysis.figures import style
from subtuning.analysis.figures.confusion import short

COLUMNS, ROWS = 8, 3
SHOWN = COLUMNS * ROWS

WIDTH, MARGIN, WORDS = 13.3, 0.12, 0.56
"""Inches: of the figure, around an image, and below it."""

LETTERS = 18
"""In a line below an image."""


@style.styled()
def mistakes_figure(
    rows: Sequence[Mapping[str, Any]], images: Sequence[np.ndarray], title: str, subtitle: str
) -> Figure:
    """Draw the first `SHOWN` rows of a `mistakes_table`.

    Args:
        images: of each of these rows, H x W x C, uint8, C is 1 or 3.
    """
    count = min(len(rows), SHOWN)
    cell, lines = WIDTH / COLUMNS, max(-(-count // COLUMNS), 1)
    side = cell - 2 * MARGIN
    row_height = side + WORDS + MARGIN
    figure = Figure(figsize=(WIDTH, 0.9 + row_height * lines))
    style.headings(figure, title, subtitle)
    height = figure.get_figheight()
    if not count:
        figure.text(0.5, 0.4, "None.", ha="center", fontsize=14)
    for place, (row, image) in enumerate(zip(rows[:count], images, strict=False)):
        line, column = divmod(place, COLUMNS)
        bottom = row_height * (lines - line - 1) + WORDS
        axes = figure.add_axes(
            ((column * cell + MARGIN) / WIDTH, bottom / height, side / WIDTH, side / height), anchor="S"
        )
        _image(axes, image)
        _words(axes, row)
    return figure


def _image(axes: Axes, image: np.ndarray) -> None:
    axes.set_axis_off()
    small = max(image.shape[:2]) < 64
    axes.imshow(
        image[..., 0] if image.shape[-1] == 1 else image,
        cmap="gray",
        vmin=0,
        vmax=255,
        interpolation="nearest" if small else "antialiased",
    )


def _words(axes: Axes, row: Mapping[str, Any]) -> None:
    looks: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "center", "va": "top"}
    box = style.BEHIND_TEXT | {"alpha": 0.85}
    sure = f"{100 * row['probability']:.0f}%"
    axes.annotate(sure, (1, 1), (-2, -2), fontsize=8.5, fontweight="bold", bbox=box, **looks | {"ha": "right"})
    axes.annotate(short(row["label"], LETTERS), (0.5, 0), (0, -2), fontsize=9, **looks)
    words = f"→ {short(row['predicted'], LETTERS - 2)}"
    axes.annotate(words, (0.5, 0), (0, -14), fontsize=9, fontweight="bold", color="#B33C00", **looks)
    name = row["image"].rpartition("/")[2]
    name = name if len(name) <= LETTERS + 8 else f"…{name[-LETTERS - 7 :]}"
    axes.annotate(name, (0.5, 0), (0, -27), fontsize=7, color=style.FAINT, **looks)
