"""Greedy searches among layers whose worth is known: how often each stop rule keeps useless ones and loses useful ones.

An image has a difficulty that all trainings share, and each training a luck of its own with each image and, smaller,
with each fold. A tuning is right where the sum is below the threshold of its true accuracy, which is that of linear
probing and the gains of its layers.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from subtuning.search.answers import best_of
from subtuning.search.stopping import LEVEL, Tried, by_one_se, by_test, lead_p

SHARED = 0.8
"""Share of the luck with an image that is its difficulty. Two trainings of accuracy 0.94 then differ in 5 % of the
images and two of 0.82 in 12 %, as the runs of the default job do."""

FOLD_NOISE = 0.004
"""Standard deviation of a training's true accuracy, the head's first weights and the order of images being chance."""

FOLDS, ROUNDS, CANDIDATES = 4, 4, 16

WORTH = {
    "none is useful": (),
    "one, 3 points": (0.03,),
    "one, 1.5 points": (0.015,),
    "two, 4 and 2": (0.04, 0.02),
    "three, 3, 1.5, 0.75": (0.03, 0.015, 0.0075),
    "two, 4 and 2, and 8 that harm by 2": (0.04, 0.02, *(-0.02,) * 8),
}
"""In words -> the true gains of the first candidates; all others gain nothing."""

SIZES = ((300, 0.80), (1000, 0.85), (1000, 0.92), (3000, 0.85))
"""Images, and the accuracy of linear probing."""

NORMAL = NormalDist()

Rule = Callable[[Sequence[Tried]], int]


class Search(NamedTuple):
    """A greedy search that went on while any candidate was better.

    Attributes:
        rounds: those that were better, and that in which none was.
        gains: the true gains of the layers in the order in which they were added.
        start: the accuracy of linear probing that was seen.
        easy: by how much all accuracies are higher because these images are easier than others.
    """

    rounds: list[Tried]
    gains: list[float]
    start: float
    easy: float

    @property
    def better(self) -> list[Tried]:
        """The rounds in which a candidate was better."""
        return self.rounds[: len(self.gains)]


def search(rng: np.random.Generator, worth: Sequence[float], images: int, accuracy: float) -> Search:
    """Play one search (see the module's docstring)."""
    difficulty = SHARED**0.5 * rng.standard_normal(images)
    train = partial(answers, rng, difficulty)
    left = [*worth, *[0.0] * (CANDIDATES - len(worth))]
    base = train(np.array([accuracy]))[0]
    right = np.vectorize(NORMAL.cdf)((NORMAL.inv_cdf(accuracy) - difficulty) / (1 - SHARED) ** 0.5)
    found = Search([], [], float(base.mean()), float(right.mean()) - accuracy)
    while len(found.rounds) < ROUNDS:
        tried = train(accuracy + sum(found.gains) + np.array(left))
        best = int(tried.sum(axis=1).argmax())
        found.rounds.append(Tried(base, tried, best))
        if tried[best].sum() <= base.sum():
            break
        found.gains.append(left.pop(best))
        base = tried[best]
    return found


def answers(rng: np.random.Generator, difficulty: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The answers (M, N) to images of this difficulty (N) of new trainings of these true accuracies (M)."""
    fold = np.arange(len(difficulty)) % FOLDS
    noisy = truth[:, None] + FOLD_NOISE * rng.standard_normal((len(truth), FOLDS))
    threshold = np.vectorize(NORMAL.inv_cdf)(noisy.clip(0.001, 0.999))[:, fold]
    luck = (1 - SHARED) ** 0.5 * rng.standard_normal((len(truth), len(difficulty)))
    return (difficulty + luck < threshold).astype(np.float32)


def by_epsilon(epsilon: float) -> Rule:
    """Stop at the first round that gains no more than this."""
    return lambda rounds: _leading(bool((tried.chosen - tried.base).mean() > epsilon) for tried in rounds)


def round_by_round(corrected: bool) -> Rule:
    """A test of each round's best against its base, the candidates being one or as many as they are."""

    def passes(tried: Tried) -> bool:
        rivals = (tried.candidates, tried.best) if corrected else (tried.chosen[None], 0)
        return tried.base is None or lead_p(tried.base, *rivals) < LEVEL

    return lambda rounds: _leading(map(passes, rounds))


def _leading(passed: Iterable[bool]) -> int:
    return [*passed, False].index(False)


RULES: dict[str, Rule] = {
    "epsilon 0": by_epsilon(0),
    "epsilon 0.005": by_epsilon(0.005),
    "epsilon 0.01": by_epsilon(0.01),
    "one_se": by_one_se,
    "each round by McNemar's test": round_by_round(corrected=False),
    "each round, corrected for its candidates": round_by_round(corrected=True),
    "test": by_test,
}


def corrected_score(played: Search, kept: int) -> float:
    """As `search.selection.without_luck`."""
    if not kept:
        return played.start
    among = played.rounds if kept == len(played.gains) else played.rounds[:kept]
    return best_of(np.vstack([tried.candidates for tried in among]), resamples=500).corrected


def simulate(searches: int, seed: int = 0) -> list[dict[str, Any]]:
    """Every rule on the same searches, `searches` of each kind and size: one row a kind and rule.

    Means over the searches: `useless`, the share that keeps any layer without gain; `lost`, how many useful layers are
    not kept; `errors`, how many layers are kept or lost wrongly; and in points of accuracy `costs`, what the selected
    tuning truly lacks to all useful layers, `reported`, its score above the truth, and `corrected`, the same of its
    corrected score.
    """
    rows = []
    for kind, worth in WORTH.items():
        found: dict[str, list[list[float]]] = {rule: [] for rule in RULES}
        for images, accuracy in SIZES:
            rng = np.random.default_rng(seed)
            for played in (search(rng, worth, images, accuracy) for _ in range(searches)):
                kept = {rule: decide(played.better) for rule, decide in RULES.items()}
                scores = {count: corrected_score(played, count) for count in set(kept.values())}
                for rule, count in kept.items():
                    found[rule].append(_outcome(played, worth, accuracy, count, scores[count]))
        rows += [{"useful layers": kind, "rule": rule} | _means(outcomes) for rule, outcomes in found.items()]
    everything = {rule: [row for row in rows if row["rule"] == rule] for rule in RULES}
    numbers = [key for key in rows[0] if key not in ("useful layers", "rule")]
    return rows + [
        {"useful layers": "all of these", "rule": rule} | {key: np.mean([row[key] for row in own]) for key in numbers}
        for rule, own in everything.items()
    ]


def _outcome(played: Search, worth: Sequence[float], accuracy: float, kept: int, corrected: float) -> list[float]:
    gains = played.gains[:kept]
    useful, useless = [gain for gain in worth if gain > 0], [gain for gain in gains if gain <= 0]
    lost = len(useful) - (len(gains) - len(useless))
    truth = accuracy + sum(gains)
    reported = played.rounds[kept - 1].chosen.mean() if kept else played.start
    seen = truth + played.easy
    points = (accuracy + sum(useful) - truth, reported - seen, corrected - seen)
    return [bool(useless), lost, len(useless) + lost, *(100 * value for value in points)]


def _means(outcomes: Sequence[Sequence[float]]) -> dict[str, float]:
    keys = ("useless", "lost", "errors", "costs", "reported", "corrected")
    return dict(zip(keys, np.mean(outcomes, axis=0).tolist(), strict=True))
