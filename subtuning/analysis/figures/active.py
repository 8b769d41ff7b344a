"""Active learning: test score over the number of labels, one line for what is trained and each acquisition."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from subtuning.analysis.figures import style

COLOURS = {"margin": "#D55E00", "entropy": "#0072B2", "random": "#6b6b6b"}
LINES = ["-", "--", ":", "-."]


@style.styled()
def draw(table: pd.DataFrame, layers: dict[str, Any], task: str, backbone: str) -> Figure:
    """Draw a table of `analysis.tables.active`; colour tells the acquisition, the line what is trained."""
    figure = Figure(figsize=(8.5, 5.2), layout="constrained")
    axes = figure.add_subplot()
    words = f"Which images to label next, out of train + val; test images. {style.made_words('test', table)}."
    limits, cut = style.without_wide(table)
    style.headings(figure, f"Active learning: {task}, {backbone}", words + cut)
    style.accuracy_axis(axes, [limits])
    kinds = list(dict.fromkeys(table["train"]))
    for (train, acquire), rows in table.groupby(["train", "acquire"], sort=False):
        rows, colour = rows[rows["mean"].notna()], COLOURS[str(acquire)]
        looks: dict[str, Any] = {"color": colour, "linestyle": LINES[kinds.index(str(train)) % len(LINES)]}
        name = f"{acquire}, {train}" if len(kinds) > 1 else acquire
        axes.plot(rows["labelled"], 100 * rows["mean"], linewidth=1.5, label=name, **looks)
        for _, row in rows.iterrows():
            style.point(axes, row["labelled"], row, colour, 6)
    sizes = sorted(set(table["labelled"]))
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("labelled images (logarithmic)")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure
