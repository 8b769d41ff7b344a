"""Races among candidates whose worth is known: what they save, and how often the best is lost on the way.

Answers are made as in `benchmark.stopping`. Each search has two rounds; the second one's candidates are the first one's
but its choice, and gain there `SHARE` of what they gained alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from subtuning.benchmark.stopping import CANDIDATES, FOLDS, SHARED, SIZES, answers
from subtuning.search.racing import promising, race
from subtuning.search.stopping import Tried, by_test

GAINS = {
    "none is useful": np.zeros(CANDIDATES),
    "one, 3 points": np.array([0.03, *[0.0] * (CANDIDATES - 1)]),
    "two, 4 and 2": np.array([0.04, 0.02, *[0.0] * (CANDIDATES - 2)]),
    "evenly from 0 to 4": np.linspace(0, 0.04, CANDIDATES),
    "evenly from -8 to 4": np.linspace(-0.08, 0.04, CANDIDATES),
    "six close together, 4 to 3": np.array([*np.linspace(0.04, 0.03, 6), *[0.01] * 5, *[0.0] * 5]),
}
"""In words -> what each candidate truly gains."""

SHARE = 0.6
SPREAD = 0.003
"""Standard deviation of what a candidate gains in the second round around that."""

BEHIND = (0.01, 0.02)
"""A choice errs if it is so far behind the truly best candidate."""


def simulate(searches: int, seed: int = 0) -> list[dict[str, Any]]:
    """Fast and full searches on the same answers, `searches` of each kind and size: one row a kind and round.

    Returns:
        `trainings %`; `same %` choices; in points of true accuracy, `lost` by the fast choice against the full one, and
        for each distance of `BEHIND` how often (%) either choice is so far `behind` the best candidate; and how often
        the stop rule `test` would keep what either added.
    """
    rows = []
    for kind, gains in GAINS.items():
        played = [
            found
            for images, accuracy in SIZES
            for rng in [np.random.default_rng(seed)]
            for _ in range(searches)
            for found in _search(rng, gains, images, accuracy)
        ]
        for number in (1, 2):
            own = [found for round_, found in played if round_ == number]
            rows.append({"candidates": kind, "round": number} | _means(own))
    numbers = [key for key in rows[0] if key not in ("candidates", "round")]
    return rows + [
        {"candidates": "all of these", "round": number}
        | {key: float(np.mean([row[key] for row in rows if row["round"] == number])) for key in numbers}
        for number in (1, 2)
    ]


def _search(
    rng: np.random.Generator, gains: np.ndarray, images: int, accuracy: float
) -> list[tuple[int, dict[str, float]]]:
    """Both rounds; the second is that after the fast search's choice."""
    difficulty = SHARED**0.5 * rng.standard_normal(images)
    left, truth = list(rng.permutation(CANDIDATES)), accuracy + gains
    base = answers(rng, difficulty, np.array([accuracy]))[0]
    first, scores, chosen = _round(answers(rng, difficulty, truth[left]), left, left, truth, base)
    left.remove(chosen)
    truth = truth[chosen] + SHARE * gains + SPREAD * rng.standard_normal(CANDIDATES)
    base = answers(rng, difficulty, np.array([accuracy + gains[chosen]]))[0]
    second, _, _ = _round(answers(rng, difficulty, truth[left]), left, promising(scores, left), truth, base)
    return [(1, first), (2, second)]


def _round(
    found: np.ndarray, left: Sequence[int], tried: Sequence[int], truth: np.ndarray, base: np.ndarray
) -> tuple[dict[str, float], dict[int, list[float]], int]:
    """What a race among the `tried` of all that are `left` chooses; `found` are the answers of those, (M, N)."""
    own = dict(zip(left, found, strict=True))
    records = {key: [[_record(row[fold::FOLDS])] for fold in range(FOLDS)] for key, row in own.items()}
    raced, _ = race(tried, FOLDS, lambda some, fold: [records[key][fold] for key in some])
    finished = [key for key in tried if len(raced[key]) == FOLDS]
    full, fast = (max(some, key=lambda key: own[key].sum()) for some in (left, finished))
    row = {"trainings %": 100 * sum(map(len, raced.values())) / (FOLDS * len(left)), "same %": 100.0 * (full == fast)}
    row["lost"] = 100 * (truth[full] - truth[fast])
    for far in BEHIND:
        for name, key in (("full", full), ("fast", fast)):
            row[f"{name} behind by {100 * far:g} %"] = 100.0 * (truth[left].max() - truth[key] >= far)
    seen = np.stack([np.where(np.arange(len(base)) % FOLDS < len(raced[key]), own[key], np.nan) for key in tried])
    row["full kept %"] = 100.0 * by_test([Tried(base, found, list(left).index(full))])
    row["fast kept %"] = 100.0 * by_test([Tried(base, seen, list(tried).index(fast))])
    scores = {key: [row[fold::FOLDS].mean() for fold in range(len(raced.get(key, [])))] for key, row in own.items()}
    return row, scores, fast


def _record(answers: np.ndarray) -> dict[str, Any]:
    hits = np.packbits(answers.astype(np.uint8)).tobytes().hex()
    return {"status": "done", "metrics": {"n": len(answers), "hits": hits}}


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
