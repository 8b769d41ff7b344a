"""Racing: of the candidates of a profile or a greedy round, train on only those that may still be best.

Folds are trained one after the other. After each, a candidate's right and wrong answers are compared with those of the
leader, image by image, and it is dropped if it would have to be luckier from there on than chance allows. Of the rest,
at most one in `KEEP` goes on (successive halving: Jamieson and Talwalkar 2016, AISTATS, algorithm 1, folds being the
budget): those that lie closer together than that are not told apart for their price. In a greedy round only the most
`promising` take part at all.

The test is stochastic curtailment (Lan, Simon and Halperin 1982, Communications in Statistics C 1:207-219): of the
images not yet scored, the same share is assumed to be answered differently by the two, in favour of either with equal
probability. The candidate is dropped when the chance that it still reaches the leader is below `ALPHA`: at each look,
so large is the chance at most that a candidate which is as good as the leader from there on is dropped although it
would have overtaken. Differences between trainings that hit all images of a fold alike are not in this model;
docs/stopping.md has how often races end as the full search does. Several seeds of a fold are looked at together:
their answers to one image go alike, so an image counts as one draw, by the square of its difference.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from math import ceil, sqrt
from statistics import NormalDist
from typing import Any, TypeVar

from subtuning.search.scores import mean

ALPHA = 0.05

KEEP = 2
"""After each fold, one in so many candidates goes on."""

TRY = 4
"""Of the candidates of a later greedy round, one in so many is tried, and `LEAST` at least."""

LEAST = 3

Record = Mapping[str, Any]
Fold = Sequence[Record]
"""The records of one candidate in one fold, one a seed."""

Candidate = TypeVar("Candidate", bound=Hashable)


def race(
    candidates: Sequence[Candidate], folds: int, records_of: Callable[[Sequence[Candidate], int], Sequence[Fold | None]]
) -> tuple[dict[Candidate, list[Any]], list[Candidate]]:
    """Play a race fold by fold, as far as records are known.

    Args:
        records_of: given candidates and a fold (from 0), what they have there, None for one that is not finished.

    Returns:
        candidate -> its records in the folds that it took part in; and the candidates still in the race: after the last
        fold, or in the fold in which a record is missing.
    """
    found: dict[Candidate, list[Any]] = {candidate: [] for candidate in candidates}
    alive = list(candidates)
    for fold in range(folds):
        records = list(records_of(alive, fold))
        for candidate, record in zip(alive, records, strict=True):
            found[candidate].append(record)
        if None in records:
            break
        alive = survivors({candidate: found[candidate] for candidate in alive}, folds)
    return found, alive


def survivors(records: Mapping[Candidate, Sequence[Fold]], folds: int) -> list[Candidate]:
    """The candidates that are still in the race.

    Args:
        records: candidate -> its records of the folds so far, the same folds for all.
        folds: in all; those to come count as large as those so far.

    Returns:
        in the given order; those with a diverged fold are out. The leader is always in.
    """
    finished = {key: found for key, found in records.items() if all(map(_finished, found))}
    hits = {key: [[answers(record) for record in fold] for fold in found] for key, found in finished.items()}
    if not hits:
        return []
    leader = max(hits.values(), key=_right)
    scored = sum(fold[0]["metrics"]["n"] for fold in next(iter(finished.values())))
    remaining = scored / len(leader) * (folds - len(leader))
    close = [key for key, own in hits.items() if chance(leader, own, scored, remaining) >= ALPHA]
    best = sorted(close, key=lambda key: _right(hits[key]), reverse=True)[: ceil(len(records) / KEEP)]
    return [key for key in close if key in best]


def promising(before: Mapping[Candidate, Sequence[float | None]], left: Sequence[Candidate]) -> list[Candidate]:
    """Which candidates a greedy round tries, by how they did in the round before: those that went farthest there.

    What a layer gains hardly grows once others are trained, too, so that one that was far behind is no help now either
    (lazy evaluation of greedy searches: Minoux 1978, Optimization Techniques, LNCIS 7:234-243).

    Args:
        before: candidate -> its scores in the folds that it was trained in; none for one that was not tried.
        left: the candidates of this round.
    """
    ranked = sorted(left, key=lambda key: (len(before[key]), mean(before[key] or [None])), reverse=True)
    return [key for key in left if key in ranked[: max(ceil(len(left) / TRY), LEAST)]]


def chance(leader: Sequence[Sequence[int]], own: Sequence[Sequence[int]], scored: int, remaining: float) -> float:
    """The probability that a candidate reaches the leader on the remaining images, if both are equally good there.

    Args:
        leader, own: for each fold and seed, an integer with a bit for each image: 1 for a right answer.
        scored, remaining: images in these folds and in those to come.
    """
    deficit = _right(leader) - _right(own)
    if deficit <= 0:
        return 1.0
    differing = sum(_squares(one, other) for one, other in zip(leader, own, strict=True))
    spread = sqrt(differing / scored * remaining)
    return 1 - NormalDist(0, spread).cdf(deficit) if spread else 0.0


def answers(record: Mapping[str, Any]) -> int:
    """A record's right (1) and wrong (0) answers as the bits of an integer."""
    return int(record["metrics"]["hits"], 16)


def _squares(leader: Sequence[int], own: Sequence[int]) -> int:
    """The sum over a fold's images of the squared difference in right answers, of one seed the images that differ."""
    ahead = [(one & ~other, other & ~one) for one, other in zip(leader, own, strict=True)]
    return sum(
        (up & also_up).bit_count() + (down & also_down).bit_count() - 2 * (up & also_down).bit_count()
        for up, down in ahead
        for also_up, also_down in ahead
    )


def _right(folds: Sequence[Sequence[int]]) -> int:
    return sum(seed.bit_count() for fold in folds for seed in fold)


def _finished(fold: Fold) -> bool:
    return all(record["status"] == "done" for record in fold)
