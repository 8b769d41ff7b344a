"""Accuracy over the number of training images, one line a method, beside which single layer is best at each number."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from subtuning.analysis.figures import style
from subtuning.analysis.tables import metric_words


@style.styled()
def sizes_figure(sizes: pd.DataFrame, layers: pd.DataFrame) -> Figure:
    """Draw tables of `analysis.sizes`: a row of two panels for each family and backbone.

    Right: score of each layer alone less the best at that size, in points; the layer that is best is marked.
    """
    if sizes.empty:
        return style.nothing_figure("Size of the training set", "No task is there in several sizes.")
    groups = list(sizes.groupby(["family", "backbone"], sort=False))
    most = layers.groupby(["family", "backbone"])["layer"].nunique().max()
    height = float(np.clip(2.2 + 0.2 * most, 4.6, 10))
    figure = Figure(figsize=(13.3, 1.2 + height * len(groups)), layout="constrained")
    words = f"Left: {metric_words([sizes])} on test images; bars: 95% intervals over draws, or from one to the other "
    words += (
        "of two. Right: each layer alone in cross-validation, points below the best at that size; circle: the best "
    )
    words += "by the mean over draws."
    groups = [(names, _with_two(rows)) for names, rows in groups]
    words += max(style.without_wide(rows)[1] for _, rows in groups)
    style.headings(figure, "Size of the training set", words)
    panels = figure.subplots(len(groups), 2, squeeze=False, width_ratios=(3, 2))
    for (left, right), ((family, backbone), rows) in zip(panels, groups, strict=True):
        _curves(left, rows)
        left.set_title(f"{family}, {backbone}", loc="left", fontsize=11)
        _best(figure, right, layers[(layers["family"] == family) & (layers["backbone"] == backbone)])
    return figure


def _with_two(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows; of two draws, which carry no interval worth the name, the values themselves in its place."""
    half, two = rows["std"] / np.sqrt(2), rows["n"] == 2
    ends = {"ci_low": rows["mean"] - half, "ci_high": rows["mean"] + half}
    return rows.assign(**{end: rows[end].mask(two, values) for end, values in ends.items()})


def _curves(axes: Axes, rows: pd.DataFrame) -> None:
    style.accuracy_axis(axes, [style.without_wide(rows)[0]])
    looks = style.method_looks(dict.fromkeys(rows["method"]))
    for method, own in rows.groupby("method", sort=False):
        own = own[own["mean"].notna()]
        colour, marker = looks[str(method)]
        line: dict[str, Any] = {"color": colour, "linewidth": 1.5, "label": method}
        axes.plot(
            own["images"], 100 * own["mean"], linestyle="--" if method == "linear" else "-", marker=marker, **line
        )
        for _, row in own.iterrows():
            style.point(axes, row["images"], row, colour, 6, marker=marker)
    axes.set_xscale("log")
    axes.set_xticks(sorted(set(rows["images"])), [f"{images:,}" for images in sorted(set(rows["images"]))])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("training images (logarithmic)")
    axes.legend(frameon=False, fontsize=9, loc="lower right")  # where a rising curve leaves room


def _best(figure: Figure, axes: Axes, rows: pd.DataFrame) -> None:
    names, counts = list(dict.fromkeys(rows["layer"])), sorted(set(rows["images"]))
    means = 100 * rows.pivot(index="layer", columns="images", values="mean").loc[names, counts].to_numpy(float)
    behind = means - np.nanmax(np.where(np.isnan(means), -np.inf, means), axis=0)
    image = axes.imshow(np.ma.masked_invalid(behind), cmap=mpl.colormaps["viridis"], aspect="auto")
    for column in range(len(counts)):
        if np.isfinite(behind[:, column]).any():
            looks: dict[str, Any] = {"markersize": 9, "markerfacecolor": "none", "markeredgecolor": "#D55E00"}
            axes.plot(column, int(np.nanargmax(behind[:, column])), "o", markeredgewidth=2, **looks)
    axes.set_xticks(range(len(counts)), [f"{count:,}" for count in counts])
    axes.set_yticks(range(len(names)), names, fontsize=float(np.clip(11.5 - 0.045 * len(names), 7, 10.5)))
    axes.tick_params(length=0)
    axes.set_xlabel("training images")
    figure.colorbar(image, ax=axes, label="points below the best")
