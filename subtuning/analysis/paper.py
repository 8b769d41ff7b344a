"""The comparison as papers print it: a row a method, with layers, accuracy, difference to full, n and cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from subtuning.analysis.statistics import LEVEL
from subtuning.analysis.tables import Item, metric_words

HEADINGS = [
    "task",
    "backbone",
    "method",
    "layers",
    "accuracy %",
    "difference to full",
    "p (Holm)",
    "n",
    "lr",
    "trained %",
]
HEADINGS += ["seconds: choose + train", "TFLOP: choose + train"]

LATEX_COLUMNS = "llll" + "r" * (len(HEADINGS) - 4)

MANY_LAYERS = 4
"""More than so many are counted, not named."""


def paper_table(items: Sequence[Item]) -> pd.DataFrame:
    """Test scores in percent as text, a row a task, backbone and method; `**bold**` is best or not told from it.

    The heading of the scores names the metric. Raises `UserError` if there are several.
    """
    rows = []
    for task, backbone, evaluation, _ in items:
        bold = best_methods(evaluation)
        for row in evaluation.to_dict("records"):
            cells = _cells(row)
            if row["method"] in bold:
                cells["accuracy %"] = f"**{cells['accuracy %']}**"
            rows.append({"task": task, "backbone": backbone, "method": row["method"]} | cells)
    heading = metric_words(evaluation for _, _, evaluation, _ in items) + " %"
    return pd.DataFrame(rows, columns=HEADINGS).rename(columns={"accuracy %": heading})


def best_methods(evaluation: pd.DataFrame) -> set[str]:
    """The method with the highest accuracy, and all that are not significantly worse (`p_holm_best`).

    Empty where that cannot be tested: one seed, or runs without predictions.
    """
    finished = evaluation[evaluation["mean"].notna()]
    if "p_holm_best" not in finished or finished["two_way_low"].isna().any() or len(finished) < 2:
        return set()
    return set(finished[~(finished["p_holm_best"] < 1 - LEVEL)]["method"])


def score_words(row: Mapping[str, Any]) -> str:
    """An accuracy in percent with its interval, over seeds and images where that is known, else over the seeds."""
    if pd.isna(row["mean"]):
        return "diverged"
    both = not pd.isna(row.get("two_way_low"))
    low, high = ("two_way_low", "two_way_high") if both else ("ci_low", "ci_high")
    return with_interval(row["mean"], row[low], row[high])


def with_interval(mean: float, low: float, high: float, sign: str = "") -> str:
    """``96.5 ± 0.9``, or ``96.5 [94.9, 97.6]`` where the two sides are not alike; fractions become percent."""
    words = f"{100 * mean:{sign}.1f}"
    if pd.isna(low):
        return words
    sides = {f"{100 * side:.1f}" for side in (mean - low, high - mean)}
    return f"{words} ± {sides.pop()}" if len(sides) == 1 else f"{words} [{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"


def paper_notes(items: Sequence[Item]) -> list[str]:
    """How the numbers were made and what they can carry, as sentences without their full stops."""
    metric = metric_words(evaluation for _, _, evaluation, _ in items)
    notes = [] if metric == "accuracy" else [f"Scores are {metric} in percent"]
    for task, backbone, evaluation, _ in items:
        where, finished = f"{task}/{backbone}", evaluation[evaluation["mean"].notna()]
        seeds = int(evaluation["n"].max())
        images = finished["images"] if "images" in finished else pd.Series(dtype=float)
        if seeds < 2:
            notes.append(f"{where}: one run of each method, so no interval; that carries no claim")
        elif not len(images) or images.isna().any():
            notes.append(f"{where}: 95 % intervals over {seeds} seeds alone (runs without predictions)")
        else:
            notes.append(
                f"{where}: 95 % intervals over {seeds} seeds and {int(images.max())} test images{_least(finished)}"
            )
        notes += _edges(where, evaluation)
    if any(best_methods(evaluation) for _, _, evaluation, _ in items):
        notes.append(
            "Bold: the best, and all that are not significantly worse (paired over seeds and images, Holm, 5 %)"
        )
    return notes


def _edges(where: str, evaluation: pd.DataFrame) -> list[str]:
    """Which methods may do better at a rate that was not tried."""
    rows = evaluation[evaluation["at_edge"].eq(True)] if "at_edge" in evaluation else evaluation[:0]
    named = ", ".join(f"{row['method']} ({_short(row['lr'])})" for row in rows.to_dict("records"))
    return [f"{where}: the best learning rate lies at the edge of what was tried for {named}"] if named else []


def _least(finished: pd.DataFrame) -> str:
    """What difference can be seen."""
    half = 50 * (finished["diff_full_two_way_high"] - finished["diff_full_two_way_low"]).median()
    if np.isnan(half):
        return ""
    words = f"; differences to full below about {half:.1f} points cannot be told from 0"
    return words + (", so many seeds and images are too few for a claim about less" if half > 5 else "")


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    both = not pd.isna(row.get("diff_full_two_way_low"))
    ends = ("diff_full_two_way_low", "diff_full_two_way_high") if both else ("diff_full_ci_low", "diff_full_ci_high")
    difference, p, images = row["diff_full"], row.get("p_holm", np.nan), row.get("images", np.nan)
    return {
        "layers": _layers(row["layers"]),
        "accuracy %": score_words(row),
        "difference to full": "" if pd.isna(difference) else with_interval(difference, row[ends[0]], row[ends[1]], "+"),
        "p (Holm)": "" if pd.isna(p) else f"{p:.2g}" if p >= 1e-4 else "< 0.0001",
        "n": f"{row['n']}" if pd.isna(images) else f"{row['n']} x {int(images)}",
        "trained %": f"{row['trained_percent']:.3g}",
        "lr": _short(row.get("lr")),
        "seconds: choose + train": _sum(row.get("search_seconds"), row["seconds"]),
        "TFLOP: choose + train": _sum(row.get("search_flops"), row.get("train_flops"), 1e12),
    }


def _sum(choose: float | None, train: float | None, unit: float = 1) -> str:
    """``403 + 1.55``: what choosing and training cost; the parts that are known."""
    return " + ".join(_short(value / unit) for value in (choose, train) if value is not None and not pd.isna(value))


def _short(value: float | None) -> str:
    return "" if value is None or pd.isna(value) else f"{value:.3g}"


def _layers(words: str) -> str:
    """Layers as a table has room for them."""
    names, joint, how = words.partition(" with ")
    count = names.count("+") + 1
    return f"{count} layers{joint}{how}" if count > MANY_LAYERS else words.replace("+", ", ")
