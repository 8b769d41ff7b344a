"""How much better one method of the evaluation is than another, and whether that carries a claim."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from subtuning.analysis.paper import MANY_LAYERS
from subtuning.analysis.statistics import LEVEL
from subtuning.search.metrics import in_words

NAN = float("nan")
LEAST_SEEDS = 6
"""Fewer sign flips have no p value below 0.05."""

Verdict = Literal["better", "worse", "tie", "same", "few", "diverged"]


class Gain(NamedTuple):
    """The score of `method` less that of `other` (fractions), its 95 % interval and two-sided p value.

    Attributes:
        score, reference: the two means on the test images, by `metric` (in words).
        p_corrected: the same p, corrected for all methods of the table; NaN where there is none.
        seeds: trainings of each method.
        seed_half: half the interval over the seeds alone, on these images; NaN where there is none.
        images: test images that the interval and p speak of, as a sample of more; 0 where they are over seeds alone.
        same: whether both train the same.
    """

    method: str
    other: str
    metric: str
    score: float
    reference: float
    difference: float
    low: float
    high: float
    p: float
    p_corrected: float
    seeds: int
    seed_half: float
    images: int
    same: bool

    @property
    def verdict(self) -> Verdict:
        """What the numbers carry. ``few``: too few seeds to tell; a ``tie`` is a difference not told from 0."""
        if np.isnan(self.difference):
            return "diverged"
        if self.same:
            return "same"
        if np.isnan(self.p) or (not self.images and self.seeds < LEAST_SEEDS):
            return "few"
        if self.p < 1 - LEVEL and not self.p_corrected >= 1 - LEVEL and self.low * self.high > 0:
            return "better" if self.difference > 0 else "worse"
        return "tie"


def gain_over(other: str, rows: Mapping[str, Mapping[str, Any]], method: str = "greedy") -> Gain:
    """The gain of a method over `other` (`full` or `linear`); `rows` are those of an evaluation table, by method."""
    row, reference = rows[method], rows[other]
    both = not np.isnan(row.get(f"p_{other}_two_way", NAN))
    ends = f"diff_{other}_two_way" if both else f"diff_{other}_ci"
    return Gain(
        method=method,
        other=other,
        metric=in_words(row.get("metric", "accuracy")),
        score=row["mean"],
        reference=reference["mean"],
        difference=row.get(f"diff_{other}", NAN) if method != other else 0.0,
        low=max(row.get(f"{ends}_low", NAN), -1.0),
        high=min(row.get(f"{ends}_high", NAN), 1.0),
        p=row[f"p_{other}_two_way"] if both else row.get(f"p_{other}", NAN),
        p_corrected=row.get("p_holm", NAN) if other == "full" and both else NAN,
        seeds=int(row["n"]),
        seed_half=(row.get(f"diff_{other}_ci_high", NAN) - row.get(f"diff_{other}_ci_low", NAN)) / 2,
        images=int(row["images"]) if both else 0,
        same=row["layers"] == reference["layers"] and not abs(row.get(f"diff_{other}", NAN)) > 0,
    )


WITHOUT = {"full": "fine-tuning all layers", "linear": "training only a new head"}
"""What a method of every comparison does."""


def gain_sentence(gain: Gain) -> str:
    """One gain in plain words, with interval, p, n, and what that carries."""
    what = WITHOUT[gain.other]
    if gain.verdict == "same":
        return f"This is the same as {what}, so there is nothing to gain over it."
    if gain.verdict == "diverged":
        return f"Nothing can be said against {what}: a training of one of the two diverged (lower `recipe.lr`)."
    words = f"Against {what} ({percent(gain.reference)}) it is {points(gain.difference, gain.metric)}: "
    if gain.verdict == "few":
        n = f"{gain.seeds} training{'s' * (gain.seeds > 1)}"
        return f"{words}{n} of each cannot tell whether that is more than chance."
    over = f"{gain.seeds} trainings of each" + (f" on {gain.images:,} test images" if gain.images else "")
    return f"{words}95 % interval {ends(gain)} points, {p_words(gain.p)}, n = {over}. {_carried(gain)}"


def _carried(gain: Gain) -> str:
    where = "other trainings and other such images" if gain.images else "other trainings, on these very test images"
    if gain.verdict in ("better", "worse"):
        return f"That is more than chance: expect it on {where} too."
    if gain.p < 1 - LEVEL <= gain.p_corrected:
        return (
            f"Corrected for all methods of the comparison ({p_words(gain.p_corrected)}), that carries no claim: it may "
            "be chance."
        )
    least = 50 * (gain.high - gain.low)
    return f"That is too close to call: with so many trainings, less than about {least:.1f} points may be chance."


def percent(fraction: float) -> str:
    """``96.5 %``."""
    return f"{100 * fraction:.1f} %"


def score_words(fraction: float, metric: str) -> str:
    """``96.5 % right``; by another metric than the accuracy ``a macro F1 of 96.5 %``."""
    return f"{percent(fraction)} right" if metric == "accuracy" else f"a {metric} of {percent(fraction)}"


def points(difference: float, metric: str) -> str:
    """``2.2 points more accurate``; by another metric than the accuracy ``2.2 points of macro F1 better``."""
    size = f"{100 * abs(difference):.1f} points"
    if abs(difference) < 0.0005:
        return "equally accurate" if metric == "accuracy" else f"equally good by {metric}"
    if metric == "accuracy":
        return f"{size} {'more' if difference > 0 else 'less'} accurate"
    return f"{size} of {metric} {'better' if difference > 0 else 'worse'}"


def ends(gain: Gain) -> str:
    """``+0.8 to +3.6``."""
    return f"{100 * gain.low:+z.1f} to {100 * gain.high:+z.1f}"


def p_words(p: float) -> str:
    """``p = 0.031``."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def listing(names: list[str], most: int = MANY_LAYERS) -> str:
    """``a, b and c``; of many only the first."""
    shown = names if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)
