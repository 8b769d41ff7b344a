"""Full fine-tuning with as much search as greedy had: its recipe drawn at random, again and again, until the same FLOPs
are spent. Random draws find good recipes with fewer trials than a grid (Bergstra and Bengio, 2012, JMLR 13)."""

import random
from collections.abc import Iterable

from subtuning.runs.identity import Run
from subtuning.search.costs import run_flops
from subtuning.search.methods import Point
from subtuning.search.study import Study, cv_splits

NAME = "full_budget"

FACTORS = (0.03, 30.0)
"""Of the learning rate: between these, evenly on a logarithmic scale."""

WEIGHT_DECAYS = (1e-4, 1.0)
"""Likewise."""

LAYER_DECAYS = (0.5, 1.0)
"""Evenly between these."""


def draws(study: Study, base: Point, spent: Iterable[Run]) -> list[Point]:
    """As many recipes as can be scored by cross-validation with the FLOPs of the `spent` runs, one at least.

    The draws are the same every time, and with a larger budget the first ones stay.
    """
    assert study.counts is not None  # its runs are finished, so the task is on disk
    runs = study.runs([base.tuning], cv_splits(study.settings["profile.folds"]), study.settings["search.seeds"])
    once = sum(run_flops(run, study.layers, study.counts) for run in runs)
    budget = sum(run_flops(run, study.layers, study.counts) for run in spent)
    chance = random.Random(0)
    lr = dict(base.changes).get("lr", study.base.recipe.lr)
    return [_draw(chance, base, lr) for _ in range(max(1, int(budget / once)))]


def _draw(chance: random.Random, base: Point, lr: float) -> Point:
    factor, decay = (_between(chance, *ends) for ends in (FACTORS, WEIGHT_DECAYS))
    return base.at(factor, lr, weight_decay=decay, layer_decay=_rounded(chance.uniform(*LAYER_DECAYS)))


def _between(chance: random.Random, low: float, high: float) -> float:
    return _rounded(low * (high / low) ** chance.random())


def _rounded(value: float) -> float:
    """Three digits: as fine as anyone needs, and the same on every machine."""
    return float(f"{value:.3g}")
