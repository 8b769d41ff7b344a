"""Two methods in one sentence: the difference, how sure it is, and whether that carries a claim."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from subtuning.analysis.claims import hits_of
from subtuning.analysis.records import Record, by_pair, metric_of, precision_of
from subtuning.analysis.statistics import LEVEL, paired_interval, sign_flip_p
from subtuning.analysis.two_way import TwoWay, difference_interval
from subtuning.errors import UserError
from subtuning.search.metrics import in_words
from subtuning.search.scores import score_of


class Method(NamedTuple):
    """A method's name (task/backbone/method) and its test records, one a seed."""

    name: str
    records: Sequence[Record]


def comparison_sentence(first: Method, second: Method, labels: np.ndarray) -> str:
    """Say by how much the first method's score differs from the second's on the same N labelled test images.

    Over seeds and images where all runs hold predictions, else over seeds alone. A claim is carried where the 95 %
    interval of the difference does not hold 0; it is not corrected for other comparisons.

    Raises:
        UserError: a run diverged, or the runs have several precisions or no common seed.
    """
    precision_of([*first.records, *second.records])
    pairs = [by_pair(method.records) for method in (first, second)]
    seeds = sorted(pairs[0].keys() & pairs[1].keys(), key=lambda key: key[0])
    if not seeds:
        raise UserError(f"{first.name} and {second.name} have no seed in common")
    found = [[own[seed] for seed in seeds] for own in pairs]
    for method, records in zip((first, second), found, strict=True):
        if bad := [record["id"] for record in records if record["status"] != "done"]:
            raise UserError(f"{method.name}: run {bad[0]} diverged, so its method has no accuracy to compare")
    if [record["id"] for record in found[0]] == [record["id"] for record in found[1]]:
        return f"{first.name} and {second.name} trained the same layers alike: they are the same runs."
    hits = [hits_of(records, labels) for records in found]
    values = [[score_of(record) for record in records] for records in found]
    metric = in_words(metric_of([*found[0], *found[1]]))
    means = [100 * float(np.mean(own)) for own in values]
    words = f"{first.name} is {_points(means[0] - means[1], metric)} than {second.name} ({means[0]:.1f} % against "
    words += f"{means[1]:.1f} %; {len(seeds)} seed{'s' * (len(seeds) > 1)}, {len(labels)} test images)"
    if len(seeds) < 2:
        return f"{words}; one run of each does not show how much training varies: that carries no claim."
    if hits[0] is None or hits[1] is None:
        return words + _over_seeds(values[0], values[1], metric)
    return words + _over_both(difference_interval(hits[0], hits[1]), sign_flip_p(*values), metric)


def _points(difference: float, metric: str) -> str:
    if abs(difference) < 0.05:
        return f"no {_better(1, metric)} and no {_better(-1, metric)}"
    return f"{abs(difference):.1f} points {_better(difference, metric)}"


def _better(difference: float, metric: str) -> str:
    """``more accurate``, or ``lower in macro F1``."""
    if metric == "accuracy":
        return "more accurate" if difference > 0 else "less accurate"
    return f"{'higher' if difference > 0 else 'lower'} in {metric}"


def _over_both(found: TwoWay, p_seeds: float, metric: str) -> str:
    words = f", 95 % interval {_ends(found.low, found.high)} points over seeds and images, p = {found.p:.2g} "
    words += f"(p = {p_seeds:.2g} by sign flips over the seeds, on these images alone); "
    return words + _claim(found.low, found.high, "other seeds and other such images", found.p < 1 - LEVEL, metric)


def _over_seeds(first: list[float], second: list[float], metric: str) -> str:
    """What runs without predictions can say."""
    found, p = paired_interval(first, second, None), sign_flip_p(first, second)
    low, high = max(found.low, -1.0), min(found.high, 1.0)
    words = f", 95 % interval {_ends(low, high)} points over the seeds, p = {p:.2g} by sign flips; these runs hold no "
    words += "predictions, so nothing is known of other test images; "
    return words + _claim(low, high, "other seeds on these images", p < 1 - LEVEL and low * high > 0, metric)


def _ends(low: float, high: float) -> str:
    return f"{100 * low:+z.1f} to {100 * high:+z.1f}"


def _claim(low: float, high: float, where: str, carried: bool, metric: str) -> str:
    if carried:
        return f"that carries the claim that it is {_better(low, metric)} on {where}."
    half = 50 * (high - low)
    return f"that carries no claim: with so many runs, less than about {half:.1f} points cannot be told from 0."
