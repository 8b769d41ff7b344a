"""Windows of neighbouring layers as a figure: accuracy over the window's first layer, one line a size."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from subtuning.analysis.figures import style

COLOURS = ["#6b6b6b", "#0072B2", "#D55E00", "#009E73", "#CC79A7"]


@style.styled()
def draw(table: pd.DataFrame, layers: dict[str, Any], task: str, backbone: str) -> Figure:
    """Draw a table of `analysis.tables.windows`; a window stands in the middle of its layers.

    A window with a diverged run has no mark.
    """
    names = list(table["first"][table["size"] == 1])
    place = {name: number for number, name in enumerate(names)}
    figure = Figure(figsize=(float(np.clip(3.4 + 0.36 * len(names), 8, 13.3)), 5.6), layout="constrained")
    axes = figure.add_subplot()
    words = f"So many neighbouring layers trained together; {style.SPLIT_WORDS['cv']}; {style.made_words('cv', table)}."
    if lost := int(table["mean"].isna().sum()):
        words += f" Not shown: {lost} of {len(table)}, of which a run diverged."
    limits, cut = style.without_wide(table)
    style.headings(figure, f"Windows of layers: {task}, {backbone}", words + cut)
    style.accuracy_axis(axes, [limits])
    for number, (size, rows) in enumerate(table.groupby("size")):
        shown = rows[rows["mean"].notna()]
        middle = [place[name] + (int(size) - 1) / 2 + 0.07 * (number - 1) for name in shown["first"]]
        colour = COLOURS[number % len(COLOURS)]
        looks: dict[str, Any] = {"color": colour, "label": "one layer" if size == 1 else f"{size} layers"}
        axes.plot(middle, 100 * shown["mean"], linewidth=1.5, **looks)
        for x, (_, row) in zip(middle, shown.iterrows(), strict=True):
            style.point(axes, x, row, colour, 5.5, faint=True)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=float(np.clip(11.5 - 0.045 * len(names), 7, 10.5)))
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("the middle of the window, in network order")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure
