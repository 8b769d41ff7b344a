"""Test accuracy against the number of trained parameters."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from subtuning.analysis.figures import style
from subtuning.analysis.figures.labels import place_labels
from subtuning.analysis.tables import metric_words


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
    place_labels(figure, axes, drawn.to_dict("records"), "trained_parameters")
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
