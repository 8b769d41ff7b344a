"""Which rounds of a greedy search earned their layer: rules that read the answers of all that it tried.

The rounds go on while any candidate is better at all, which the best of many nearly always is by luck. Afterwards a
rule says how many of them are kept. It compares the end of the search with each smaller subset on its way, not each
round with the one before: several small steps can be sure together. docs/stopping.md has the simulation by which the
default was chosen.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEVEL = 0.05
"""One-sided error rate of `test`: how often it keeps a layer where none is of use."""

DRAWS = 10_000


class Tried(NamedTuple):
    """What one round tried, N images (see `subtuning.search.answers`).

    Attributes:
        base: the answers of the tuning before the round, (N,); None if that diverged.
        candidates: those of M candidates, (M, N); NaN in the folds that one dropped from a race was not trained in.
        best: which of them was chosen.
    """

    base: np.ndarray | None
    candidates: np.ndarray
    best: int

    @property
    def chosen(self) -> np.ndarray:
        """The answers of the chosen candidate, (N,)."""
        return self.candidates[self.best]


def by_test(rounds: Sequence[Tried], seeds: int = 1) -> int:
    """How many rounds to keep: the smallest subset that the end of the search does not lead significantly."""
    return sum(p < LEVEL for p in p_values(rounds, seeds))


def p_values(rounds: Sequence[Tried], seeds: int = 1) -> list[float]:
    """For each round's base, up to the first that is not significant: how likely chance alone leads it so clearly.

    The rivals are all candidates of this round and the later ones, since the end is the best of them all.
    """
    found: list[float] = []
    for number, tried in enumerate(rounds):
        rivals = np.concatenate([later.candidates for later in rounds[number:]])
        end = len(rivals) - len(rounds[-1].candidates) + rounds[-1].best
        found.append(0.0 if tried.base is None else lead_p(tried.base, rivals, end, seeds))
        if found[-1] >= LEVEL:
            break
    return found


def lead_p(base: np.ndarray, rivals: np.ndarray, leader: int, seeds: int = 1) -> float:
    """The probability that the luckiest of M rivals leads the base as clearly as the leader does, were none better.

    Right answers are compared image by image as in McNemar's test (1947; one answer less: Edwards 1948, Psychometrika
    13:185-187); chance is asked for the largest of M correlated statistics (Dunnett 1955; as here with a normal
    approximation: Hothorn, Bretz and Westfall 2008, Biometrical Journal 50:346-363). One-sided.

    Args:
        base, rivals: (N,) and (M, N); folds that a rival lacks (NaN) count as if they were like those that it has.
    """
    known = ~np.isnan(rivals)
    differences = np.where(known, rivals - base, 0) / np.sqrt(known.mean(axis=1, keepdims=True))
    scale = np.sqrt((differences**2).sum(axis=1))
    if not scale[leader]:
        return 1.0
    statistic = (differences[leader].sum() - 1 / seeds) / scale[leader]
    units = differences[scale > 0] / scale[scale > 0, None]
    size, directions = np.linalg.eigh(units @ units.T)
    luck = np.random.default_rng(0).standard_normal((DRAWS, len(units))) * np.sqrt(np.maximum(size, 0)) @ directions.T
    return float((1 + (luck.max(axis=1) >= statistic).sum()) / (1 + DRAWS))


def by_one_se(rounds: Sequence[Tried]) -> int:
    """How many rounds to keep: the smallest subset within one standard error of the end of the search (Breiman,
    Friedman, Olshen and Stone 1984, section 3.4.3); the error is that of their paired difference."""
    for number, tried in enumerate(rounds):
        if tried.base is not None:
            lead = rounds[-1].chosen - tried.base
            if lead.mean() <= lead.std() / len(lead) ** 0.5:
                return number
    return len(rounds)
