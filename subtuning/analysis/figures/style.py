"""What all figures share: fonts, colours, headings, baselines, and files that are the same bytes every time."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from subtuning.analysis.tables import metric_words

INK = "#222222"
FAINT = "#6b6b6b"
BASELINES = {"full": ("#444444", "-", "#bdbdbd"), "linear": ("#444444", (0, (4, 3)), "#d9d9d9")}
"""Line colour, line style and band colour of the two baselines: greys, since colour tells the stage."""

LOOKS = {"linear": ("black", "s"), "full": ("black", "D"), "best_layer": ("#E69F00", "^"), "greedy": ("#D55E00", "o")}
"""Colour (Okabe and Ito's) and marker of the methods that are always compared."""

OTHERS = ["#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#8c6d31", "#6b6b6b"]
"""Colours of further methods, in turn."""

MARGIN = 0.09
"""What an axis leaves free below and above its values, as a share of their height."""

BEHIND_TEXT = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.5}
"""A box that keeps text readable on lines and points."""

STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same on every machine
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "none",  # text stays text: it can be searched and edited
    "svg.hashsalt": "subtuning",
    "path.simplify": False,
}


def styled():
    """The style as a context or a decorator, so that a user's matplotlibrc has no say."""
    return mpl.rc_context(dict(mpl.rcParamsDefault) | STYLE)


def save(figure: Figure, *paths: str | Path, dpi: int = 200) -> None:
    """Write one figure to each path (.svg, .png); the same figure gives the same bytes."""
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"Date": None, "Creator": None} if path.suffix == ".svg" else {"Software": None}
        with styled():
            figure.savefig(path, dpi=dpi, metadata=metadata, facecolor="white")


def stage_colours(stages: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """One colour a stage, from dark blue to green: ordered, safe for the colour-blind, and ordered in grey too."""
    names = list(dict.fromkeys(stages))
    shades = np.linspace(0.05, 0.72, len(names)) if len(names) > 1 else [0.3]
    return {name: mpl.colormaps["viridis"](shade) for name, shade in zip(names, shades, strict=True)}


def method_looks(methods: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each method."""
    methods = list(methods)
    others = [name for name in methods if name not in LOOKS]
    own = {name: (OTHERS[place % len(OTHERS)], "vPXdp*"[place % 6]) for place, name in enumerate(others)}
    return {name: LOOKS.get(name) or own[name] for name in methods}


def headings(figure: Figure, title: str, subtitle: str) -> None:
    """Title and subtitle at the top left, wrapped to the figure's width; a layout gives the axes what is left below."""
    width, height = 72 * figure.get_size_inches()
    top = 6.0
    for text, size, weight, colour in ((title, 14, "bold", INK), (subtitle, 10, "normal", FAINT)):
        letter = size * (0.66 if weight == "bold" else 0.56)
        lines = textwrap.wrap(text, int((width - 16) / letter), break_on_hyphens=False)
        x, y = 8 / width, 1 - top / height
        figure.text(x, y, "\n".join(lines), fontsize=size, fontweight=weight, color=colour, va="top", linespacing=1.25)
        top += len(lines) * size * 1.4 + 4
    if layout := figure.get_layout_engine():
        layout.set(rect=(0, 0, 1, 1 - (top + 2) / height))


@styled()
def nothing_figure(title: str, why: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure = Figure(figsize=(8.0, 2.0), layout="constrained")
    headings(figure, title, why)
    return figure


def accuracy_axis(axes: Axes, frames: Iterable[pd.DataFrame], least: float = 3.0) -> None:
    """Limits of a percent axis that hold every mean and interval of the tables, at least `least` points apart."""
    frames = list(frames)
    columns = [frame[column] for frame in frames for column in ("mean", "ci_low", "ci_high")]
    values = 100 * pd.concat(columns).dropna()
    floor = min([0.0, *(100 * frame["mean"].min() for frame in frames)])  # kappa may be below 0
    low, high = (max(values.min(), floor), min(values.max(), 100.0)) if len(values) else (0.0, 100.0)
    margin = max(MARGIN * (high - low), (least - (high - low)) / 2)
    low, high = max(low - margin, floor - 2), high + margin
    ticks = MaxNLocator(nbins=7, steps=[1, 2, 5, 10]).tick_values(low, high)
    axes.set_yticks([tick for tick in ticks if max(low, floor) <= tick <= min(high, 100)])
    axes.set_ylim(low, high)
    axes.set_ylabel(f"{metric_words(frames)} (%)")
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.8)
    axes.tick_params(axis="y", length=0)


def room_around(means: pd.Series, least: float) -> tuple[float, float]:
    """The lowest and highest value to show where wide intervals would hide the lines: half of the lines' height,
    `least` at least, below and above their means."""
    low, high = means.min(), means.max()
    room = max(0.5 * (high - low), least)
    return low - room, high + room


def without_wide(rows: pd.DataFrame, least: float = 0.05) -> tuple[pd.DataFrame, str]:
    """A table whose intervals end where `room_around` its means (0-1) does, for the limits of an axis; and, if any was
    longer, a sentence for the subtitle."""
    low, high = room_around(rows["mean"], least)
    shorter = rows.assign(ci_low=rows["ci_low"].clip(low), ci_high=rows["ci_high"].clip(None, high))
    ends = shorter[["mean", "ci_low", "ci_high"]].clip(0, 1).stack()
    margin = MARGIN * (ends.max() - ends.min())
    cut = (rows["ci_low"].clip(0) < low - margin) | (rows["ci_high"].clip(None, 1) > high + margin)
    return shorter, " Wide intervals are cut off." if cut.any() else ""


def baselines(axes: Axes, rows: Mapping[str, Mapping[str, float]], label: bool = True) -> None:
    """Horizontal lines with interval bands for ``linear`` and ``full``, named and valued at the right edge."""
    drawn = {}
    for name, row in rows.items():
        if np.isnan(row["mean"]):
            axes.annotate(f"{name}: diverged", (1, 0.03), (6, 0), "axes fraction", textcoords="offset points")
            continue
        colour, dashes, band = BASELINES[name]
        drawn[name] = 100 * row["mean"]
        if not np.isnan(row["ci_low"]):
            axes.axhspan(100 * row["ci_low"], 100 * row["ci_high"], color=band, alpha=0.45, linewidth=0, zorder=0.5)
        axes.axhline(drawn[name], color=colour, linestyle=dashes, linewidth=1.4, zorder=1)
    if label:
        _edge_labels(axes, drawn)


def _edge_labels(axes: Axes, drawn: Mapping[str, float], gap: float = 15.0) -> None:
    """Name each line at the right; lines closer than `gap` points push their names apart."""
    height = 72 * axes.get_figure().get_figheight() * 0.62  # roughly the axes' height in points
    low, high = axes.get_ylim()
    spots = sorted((value, name) for name, value in drawn.items())
    apart = (spots[-1][0] - spots[0][0]) / (high - low) * height if spots else 0.0
    push = max(0.0, gap - apart) / 2 if len(spots) == 2 else 0.0
    looks: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    for (value, name), side in zip(spots, (-1, 1), strict=False):
        axes.annotate(f"{name} {value:.1f}", (1, value), (6, side * push), va="center", annotation_clip=False, **looks)


def point(
    axes: Axes,
    x: float,
    row: Mapping[str, float],
    colour: object,
    size: float,
    filled: bool = True,
    marker: str = "o",
    faint: bool = False,
) -> None:
    """Draw a mean in percent with its interval, if it has one, which may be faint; of that, nothing beyond 0 or 100."""
    mean, low, high = 100 * row["mean"], 100 * max(row["ci_low"], 0.0), 100 * min(row["ci_high"], 1.0)
    bar = None if np.isnan(row["ci_low"]) else [[mean - low], [high - mean]]
    looks: dict[str, Any] = {"color": colour, "markerfacecolor": colour if filled else "white", "zorder": 3}
    looks |= {"markersize": size, "markeredgewidth": size / 4.2, "elinewidth": size / 4}
    _, _, bars = axes.errorbar([x], [mean], yerr=bar, fmt=marker, **looks)
    for one in bars if faint else ():
        one.set_alpha(0.35)


def made_words(split: str, table: pd.DataFrame, images: int = 0) -> str:
    """How the numbers of a table and their intervals (which may be over test images too) were made, for a subtitle."""
    n = int(table["n"].max()) if len(table) else 0
    if n < 2:
        words = "One run each, so no interval"
    elif split == "cv":
        words = f"95% intervals over n = {n} folds, Nadeau-Bengio corrected"
    else:
        words = (
            f"95% intervals over n = {n} seeds x {images} images" if images else f"95% t intervals over n = {n} seeds"
        )
    precisions = " and ".join(table["precision"].unique())
    return words + (f"; computed in {precisions}" if precisions else "")


SPLIT_WORDS = {"cv": "cross-validation on train + val", "val": "val images", "test": "test images"}
