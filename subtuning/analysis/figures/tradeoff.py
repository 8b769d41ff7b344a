"""Test accuracy against what methods cost: trained parameters, and the operations of a training."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from subtuning.analysis.figures import style
from subtuning.analysis.figures.front import draw_front, front
from subtuning.analysis.figures.labels import Spot, place_labels, with_layers
from subtuning.analysis.tables import metric_words

MOST = 8
"""Points that can be named beside each other."""

COSTS = {
    "trained_parameters": "trained parameters (logarithmic)",
    "train_flops": "operations of one training (TFLOP, logarithmic)",
}
"""Columns of the table in which less is cheaper, and what their axis says; one that is not known is left out."""


@style.styled()
def tradeoff_figure(evaluation: pd.DataFrame, task: str, backbone: str) -> Figure:
    """Draw a table of `evaluation_table`: mean test accuracy with its interval against each of `COSTS` (log), a panel
    each; steps join the methods that no other one beats in both.

    Intervals are those over seeds and images if all methods that are drawn have them, else those over the seeds.

    Methods of the same runs share a point. A method with a diverged run has none; the subtitle names it. More than
    `MOST` points stand in rows, the best on top, since their names would cover each other.
    """
    evaluation = _with_intervals(evaluation)
    drawn, title = _same_runs(evaluation[evaluation["mean"].notna()]), f"{task}, {backbone}"
    costs = [cost for cost in COSTS if evaluation[cost].notna().all()]
    if len(drawn) > MOST:
        return _in_rows(evaluation, drawn, costs, title)
    figure = Figure(figsize=(8.5 if len(costs) == 1 else 13, 5.4), layout="constrained")
    title = f"{_metric(evaluation)} and {'trained parameters' if len(costs) == 1 else 'cost'}: {title}"
    style.headings(figure, title, f"{_subtitle(evaluation)} Line: no other method is both cheaper and better.")
    panels = figure.subplots(1, len(costs), sharey=True, squeeze=False)[0]
    looks = style.method_looks(drawn["method"])
    for axes, cost in zip(panels, costs, strict=True):
        style.accuracy_axis(axes, [drawn])
        _cost_axis(axes, evaluation[cost], cost)
        draw_front(axes, drawn, cost)
        for row in drawn.to_dict("records"):
            colour, marker = looks[row["method"]]
            style.point(axes, row[cost], row, colour, 8.5, marker=marker)
    for axes in panels[1:]:
        axes.set_ylabel("")
    figure.draw_without_rendering()
    for axes, cost, label in zip(panels, costs, ("label", "names"), strict=False):
        place_labels(axes, [_spot(row, cost, label) for row in drawn.to_dict("records")])
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


def _same_runs(evaluation: pd.DataFrame) -> pd.DataFrame:
    """One row for methods that trained the same layers with one recipe; its label names all of them and the layers."""
    keys = [key for key in ("layers", "lr", "recipe") if key in evaluation]
    names = evaluation.groupby(keys, sort=False, dropna=False)["method"].transform(" = ".join)
    rows = evaluation.assign(names=names).drop_duplicates(keys, keep="last")
    rows["label"] = [
        with_layers(f"{name} ({percent:.3g}%)", layers)
        for name, layers, percent in zip(rows["names"], rows["layers"], rows["trained_percent"], strict=True)
    ]
    return rows


def _in_rows(evaluation: pd.DataFrame, drawn: pd.DataFrame, costs: Sequence[str], title: str) -> Figure:
    """A row a point: its methods and layers, the score with its interval, and what it costs.

    In the panel of a cost the points on the front are filled, and the steps go from row to row.
    """
    rows = drawn.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    figure = Figure(figsize=(9.5 + 2.4 * len(costs), 1.9 + 0.34 * len(rows)), layout="constrained")
    words = f"{_subtitle(evaluation)} Filled: no other method is both cheaper and better."
    style.headings(figure, f"{_metric(evaluation)} of {len(evaluation)} methods: {title}", words)
    widths = [2.2, *[1] * len(costs)]
    axes, *panels = figure.subplots(1, len(widths), sharey=True, squeeze=False, width_ratios=widths)[0]
    looks = style.method_looks(rows["method"])
    for place, row in enumerate(rows.to_dict("records")):
        (colour, marker), spot = looks[row["method"]], _spot(row)
        bar = [[spot.y - spot.low], [spot.high - spot.y]]
        axes.errorbar([spot.y], [place], xerr=bar, fmt=marker, color=colour, markersize=7.5, elinewidth=2)
    axes.set_yticks(range(len(rows)), [_one_line(row) for row in rows.to_dict("records")], fontsize=9.5)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(f"{metric_words([evaluation])} (%)")
    for panel, cost in zip(panels, costs, strict=True):
        best = front(rows, cost)
        panel.step(best[cost], best.index, where="post", color=style.FAINT, linewidth=1, zorder=1)
        for place, row in enumerate(rows.to_dict("records")):
            colour, marker = looks[row["method"]]
            face = colour if place in best.index else "white"
            panel.plot(row[cost], place, marker, color=colour, markerfacecolor=face, markersize=7)
        _cost_axis(panel, evaluation[cost], cost, room=0.08)
        panel.set_xlabel(COSTS[cost].replace(" (", "\n("))
    for panel in (axes, *panels):
        panel.tick_params(axis="y", length=0)
        panel.grid(axis="x", color="#e4e4e4", linewidth=0.8)
    return figure


def _one_line(row: Mapping) -> str:
    known = row["layers"] in (row["names"], *style.BASELINES)
    layers = "" if known else textwrap.shorten(row["layers"].replace("+", " + "), 34, placeholder=" …")
    return f"{row['names']} ({row['trained_percent']:.3g}%)" + (f"  {layers}" if layers else "")


def _cost_axis(axes: Axes, values: pd.Series, cost: str, room: float = 0.34) -> None:
    """A logarithmic axis; `room` on the right is for a label, as a share of the axis."""
    axes.set_xscale("log")
    low, high = float(values.min()), float(values.max())
    spread, unit = max(high / low, 20.0 if cost == "trained_parameters" else 3.0), 1e12 if cost == "train_flops" else 1
    axes.set_xlim(low / spread**0.08, high * spread**room)
    subs = (1.0,) if high / low > 30 else (1.0, 3.0) if high / low > 10 else (1.0, 2.0, 5.0)
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(value / unit)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(COSTS[cost])


def short_count(value: float) -> str:
    """A count as people say it: ``950``, ``12k``, ``3.4M``, ``1.2B``."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _spot(row: Mapping, cost: str = "trained_parameters", label: str = "label") -> Spot:
    """A point with the ends of its bar, in percent, and its label."""
    ends = [row["mean"] if np.isnan(row[end]) else np.clip(row[end], 0, 1) for end in ("ci_low", "ci_high")]
    return Spot(row[cost], 100 * row["mean"], 100 * ends[0], 100 * ends[1], row[label])
