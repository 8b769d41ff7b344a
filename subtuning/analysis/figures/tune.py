"""The tuning of each method's learning rate as a figure: accuracy over the rate, one line a method."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from subtuning.analysis.figures import style
from subtuning.analysis.figures.labels import with_layers


@style.styled()
def draw(table: pd.DataFrame, layers: Mapping[str, Any], task: str, backbone: str) -> Figure:
    """Draw a table of `analysis.tables.tune`: at each rate the best of a method's points, the chosen one large.

    A point with a diverged run has no mark.
    """
    firsts = table.groupby("method", sort=False)["layers"].first()
    alike = firsts.groupby(firsts, sort=False).groups.values()  # methods of the same layers share a line
    figure = Figure(figsize=(8.5, 5.0), layout="constrained")
    axes = figure.add_subplot()
    style.headings(figure, f"The learning rate of each method: {task}, {backbone}", _subtitle(table))
    style.accuracy_axis(axes, [table.assign(ci_low=table["mean"], ci_high=table["mean"])])
    looks = style.method_looks(firsts.index)
    for names in alike:
        name = with_layers(" = ".join(names), firsts[names[-1]], width=26)
        _line(axes, name, table[table["method"] == names[-1]], *looks[names[-1]])
    axes.set_xscale("log")
    axes.set_xticks(sorted(set(table["lr"])))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("learning rate (logarithmic)")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure


def _line(axes: Axes, name: str, rows: pd.DataFrame, colour: str, marker: str) -> None:
    best = rows.sort_values("mean", ascending=False, kind="stable").drop_duplicates("lr").dropna(subset=["mean"])
    best = best.sort_values("lr")
    looks: dict[str, Any] = {
        "color": colour,
        "marker": marker,
        "linestyle": "--" if rows["layers"].iloc[0] == "linear" else "-",
    }
    axes.plot(best["lr"], 100 * best["mean"], markersize=5, linewidth=1.5, label=name, **looks)
    chosen = rows[rows["chosen"] & rows["mean"].notna()]
    axes.plot(chosen["lr"], 100 * chosen["mean"], color=colour, marker=marker, markersize=12, linestyle="none")


def _subtitle(table: pd.DataFrame) -> str:
    words = f"Mean over {int(table['n'].max())} folds of train + val. Large: the rate that the method is tested with."
    others = sorted({recipe for recipe in table["recipe"].dropna() if recipe})
    if others:
        words += " At each rate, the best of the other values that were tried."
    edges = list(dict.fromkeys(table.loc[table["at_edge"], "method"]))
    if edges:
        words += f" At the edge of what was tried, so a better one may lie beyond: {', '.join(edges)}."
    lost = int(table["mean"].isna().sum())
    return words + (f" Not shown: {lost} of {len(table)} points, of which a run diverged." if lost else "")
