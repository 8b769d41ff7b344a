"""Greedy-SubTuning (paper, section 4): grow the subset from linear probing, or shrink it from full fine-tuning.

A round is a plain dictionary, the content of `greedy/<direction>/round<r>.json`:

    round, direction    number from 1; "forward" or "backward"
    split               "cv" or "val": what the scores were measured on
    precision           in which all of them were: rounds build upon each other, so they have one
    base, base_scores   the tuning before the round, by its printed name, and its score for every fold
    candidates          [{layer, tuning, scores}], one for each layer that could be added (or removed); one that was
                        dropped from a race has fewer scores than there are folds, and "dropped": true
    choice              the best candidate's layer (null when all diverged, or after the stop)
    tuning, scores      the tuning after the round, and its scores
    stopped             true when no candidate was better than the base; then `tuning` is the base

The chain of rounds stops when no candidate improves at all, whatever epsilon is. `path` applies epsilon afterwards, so
a change of epsilon never needs a training.
"""

from collections.abc import Callable, Sequence
from typing import Any

from subtuning.search.profile import candidates
from subtuning.search.scores import DIGITS, fold_scores, mean
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, Tuning

Round = dict[str, Any]


def moves(layers: dict[str, Any], direction: str, base: Tuning) -> list[tuple[str, Tuning]]:
    """Every layer that can be added to (forward) or removed from (backward) `base`, with the tuning that results."""
    names = [row["name"] for row in layers["layers"]]
    held, forward = set(base.of(names)), direction == "forward"
    return [
        (name, base.with_layers(held ^ {name}, names)) for name in candidates(layers) if (name in held) is not forward
    ]


def before(layers: dict[str, Any], direction: str, previous: Round | None) -> tuple[Tuning, list[tuple[str, Tuning]]]:
    """The base of a round and its moves (none after a stop), given the round before it."""
    if previous is None:
        base = ONLY_HEAD if direction == "forward" else EVERYTHING
    else:
        base = Tuning.parse(previous["tuning"], [row["name"] for row in layers["layers"]])
    return base, [] if previous and previous["stopped"] else moves(layers, direction, base)


def play(
    layers: dict[str, Any],
    direction: str,
    previous: Round | None,
    records_of: Callable[[Tuning], Sequence[dict[str, Any]]],
    split: str = "cv",
) -> Round:
    """Choose the best candidate of a round from finished records.

    Args:
        previous: the round before, None for the first.
        records_of: the selection records of a tuning, one for each fold.

    Returns:
        The round. Of equal candidates the one with fewer trained parameters wins, one that diverged in a fold or was
        dropped from a race never.
    """
    base, options = before(layers, direction, previous)
    number = 1 if previous is None else previous["round"] + 1
    if previous is None:
        records = records_of(base)
        base_scores, precision = fold_scores(records), records[0]["identity"]["recipe"]["precision"]
    else:
        base_scores, precision = previous["scores"], previous["precision"]
    tried = [
        {"layer": layer, "tuning": str(tuning), "scores": fold_scores(records_of(tuning))} for layer, tuning in options
    ]
    for candidate in tried:
        if len(candidate["scores"]) < len(base_scores):
            candidate["dropped"] = True
    finished = [c for c in tried if None not in c["scores"] and "dropped" not in c]
    parameters = {row["name"]: row["parameters"] for row in layers["layers"]}
    sign = -1 if direction == "forward" else 1
    best = max(finished, key=lambda c: (mean(c["scores"]), sign * parameters[c["layer"]]), default=None)
    better = best is not None and (None in base_scores or mean(best["scores"]) > mean(base_scores))
    return {
        "round": number,
        "direction": direction,
        "split": split,
        "precision": precision,
        "base": str(base),
        "base_scores": base_scores,
        "candidates": tried,
        "choice": best["layer"] if best else None,
        "tuning": best["tuning"] if better else str(base),
        "scores": best["scores"] if better else base_scores,
        "stopped": not better,
    }


def stop_at(rounds: Sequence[Round], epsilon: float) -> list[Round]:
    """The same rounds, `stopped` also true from the first one on that improves the mean score by `epsilon` or less."""
    result, stopped = [], False
    for this in sorted(rounds, key=lambda item: item["round"]):
        known = None not in this["base_scores"] and None not in this["scores"]
        gain = round(mean(this["scores"]) - mean(this["base_scores"]), DIGITS) if known else float("inf")
        stopped = stopped or this["stopped"] or gain <= epsilon
        result.append(this | {"stopped": stopped})
    return result


def path(rounds: Sequence[Round], epsilon: float) -> tuple[list[Round], str, list[float | None]]:
    """The rounds before the stop, the printed name of the tuning after them, and its scores."""
    rounds = stop_at(rounds, epsilon)
    kept = [this for this in rounds if not this["stopped"]]
    if not kept:
        return kept, rounds[0]["base"], rounds[0]["base_scores"]
    return kept, kept[-1]["tuning"], kept[-1]["scores"]


def select(chains: dict[str, Sequence[Round]], epsilon: float) -> dict[str, Any]:
    """The final tuning of one direction, or the better of two (of equals, the one found by adding layers).

    Args:
        chains: direction -> its rounds.

    Returns:
        the content of `selected.json`: direction, tuning (its printed name), score (mean), scores, rounds, epsilon.
    """
    results = {direction: path(rounds, epsilon) for direction, rounds in chains.items()}
    direction = max(results, key=lambda d: (_score(results[d][2]), d))  # "forward" comes after "backward"
    kept, tuning, scores = results[direction]
    return {
        "direction": direction,
        "tuning": tuning,
        "score": None if None in scores else mean(scores),
        "scores": scores,
        "rounds": len(kept),
        "epsilon": epsilon,
    }


def _score(scores: Sequence[float | None]) -> float:
    return float("-inf") if None in scores else mean(scores)
