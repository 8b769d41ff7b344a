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

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from subtuning.runs.identity import Run, Split
from subtuning.search.experiments import profile
from subtuning.search.racing import race
from subtuning.search.scores import DIGITS, fold_scores, mean
from subtuning.search.study import Settings, Step, Study, Wanted, candidates, cv_splits, shard
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, Tuning

Round = dict[str, Any]

DIRECTIONS = {"linear": ["forward"], "full": ["backward"], "best": ["forward", "backward"]}
"""`greedy.start` -> the ways in which the search goes."""

ROUND_READS = (*profile.READS, "greedy.folds", "greedy.split", "greedy.shards", "search.racing")
READS = (*ROUND_READS, "greedy.start", "greedy.max_rounds", "greedy.epsilon")


def names(settings: Settings) -> list[str]:
    """Every round of every direction, and the choice among them."""
    rounds = range(1, settings["greedy.max_rounds"] + 1)
    return [*(f"greedy/{way}/{number}" for way in DIRECTIONS[settings["greedy.start"]] for number in rounds), "greedy"]


def step(name: str, settings: Settings) -> Step:
    """A round, such as `greedy/forward/2`, or `greedy`, which applies epsilon to all of them and selects."""
    if name == "greedy":
        last = settings["greedy.max_rounds"]
        after = tuple(f"greedy/{way}/{last}" for way in DIRECTIONS[settings["greedy.start"]])
        return Step(name, after, READS, (None, "greedy_path"), lambda study: Wanted(), conclude)
    _, way, number = name.split("/")
    this = int(number)
    return Step(
        name,
        (f"greedy/{way}/{this - 1}",) if this > 1 else ("profile",),
        ROUND_READS,
        ("train_greedy", "select_greedy"),
        lambda study: wanted(study, way, this),
        lambda study: rounds(study, way, this)[-1],
        shards="greedy.shards",
    )


def splits(settings: Settings) -> list[Split]:
    """What scores a candidate."""
    return cv_splits(settings["greedy.folds"]) if settings["greedy.split"] == "cv" else [Split("val")]


def wanted(study: Study, direction: str, number: int) -> Wanted:
    """The runs of one round: its candidates and, in the first, what they are compared with."""
    if len(done := finished(study, direction, number - 1)) < number - 1:
        count = len(candidates(study.layers)) - number + 1
        return Wanted(later=splits(study.settings) * max(count, 0))
    return _play(study, direction, done[-1] if done else None)[0]


def finished(study: Study, direction: str, count: int) -> list[Round]:
    """The first `count` rounds of a direction, or as many of them as are finished."""
    done = study.kept.setdefault(("rounds", direction), [])
    while len(done) < count:
        previous = done[-1] if done else None
        asked, records = _play(study, direction, previous)
        if asked.later or any(None in found for found in records.values()):
            break
        split = study.settings["greedy.split"]
        done.append(play(study.layers, direction, previous, records.__getitem__, split))
    return done[:count]


def rounds(study: Study, direction: str, count: int) -> list[Round]:
    """The first `count` rounds. Raises `UserError` that names a run that one of them lacks."""
    while len(done := finished(study, direction, count)) < count:
        study.require(_play(study, direction, done[-1] if done else None)[0].runs)
    return done


def conclude(study: Study) -> dict[str, Any]:
    """What is selected (see `select`)."""
    return select(chains(study), study.settings["greedy.epsilon"])


def chains(study: Study) -> dict[str, list[Round]]:
    """Direction -> all of its rounds."""
    count = study.settings["greedy.max_rounds"]
    return {way: rounds(study, way, count) for way in DIRECTIONS[study.settings["greedy.start"]]}


def _play(study: Study, direction: str, previous: Round | None) -> tuple[Wanted, dict[Tuning, list[Any]]]:
    """What a round asks for, and its records, None where one is not finished; of a race, only those of candidates that
    were still in it."""
    start, options = before(study.layers, direction, previous)
    tunings = ([] if previous else [start]) + [tuning for _, tuning in options]
    runs = {tuning: study.runs([tuning], splits(study.settings)) for tuning in tunings}
    if not (study.settings["search.racing"] and previous):
        in_order = [run for of_split in zip(*runs.values(), strict=True) for run in of_split]
        return Wanted(in_order), {tuning: list(map(study.get, own)) for tuning, own in runs.items()}
    return _race(study, runs)


def _race(study: Study, runs: dict[Tuning, list[Run]]) -> tuple[Wanted, dict[Tuning, list[Any]]]:
    asked, shards = Wanted(), study.settings["greedy.shards"]
    records: dict[Tuning, list[Any]] = {}
    for mine in (shard(list(runs), index, shards) for index in range(shards)):  # each shard is a race of its own
        folds = len(runs[mine[0]]) if mine else 0
        found, alive = race(mine, folds, lambda racers, fold: [study.get(runs[tuning][fold]) for tuning in racers])
        records |= found
        asked.runs += [run for tuning, seen in found.items() for run in runs[tuning][: len(seen)]]
        reached = max(map(len, found.values()), default=0)
        asked.later += [run.split for tuning in alive for run in runs[tuning][reached:]]
    return asked, records


def moves(layers: Mapping[str, Any], direction: str, base: Tuning) -> list[tuple[str, Tuning]]:
    """Every layer that can be added to (forward) or removed from (backward) `base`, with the tuning that results."""
    names = [row["name"] for row in layers["layers"]]
    held, forward = set(base.of(names)), direction == "forward"
    return [
        (name, base.with_layers(held ^ {name}, names)) for name in candidates(layers) if (name in held) is not forward
    ]


def before(
    layers: Mapping[str, Any], direction: str, previous: Round | None
) -> tuple[Tuning, list[tuple[str, Tuning]]]:
    """The base of a round and its moves (none after a stop), given the round before it."""
    if previous is None:
        base = ONLY_HEAD if direction == "forward" else EVERYTHING
    else:
        base = Tuning.parse(previous["tuning"], [row["name"] for row in layers["layers"]])
    return base, [] if previous and previous["stopped"] else moves(layers, direction, base)


def play(
    layers: Mapping[str, Any],
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
    tried: list[dict[str, Any]] = [
        {"layer": layer, "tuning": str(tuning), "scores": fold_scores(records_of(tuning))} for layer, tuning in options
    ]
    for candidate in tried:
        if len(candidate["scores"]) < len(base_scores):
            candidate["dropped"] = True
    finished = [c for c in tried if None not in c["scores"] and "dropped" not in c]
    parameters = {row["name"]: row["parameters"] for row in layers["layers"]}
    sign = -1 if direction == "forward" else 1
    best = max(finished, key=lambda c: (mean(c["scores"]), sign * parameters[c["layer"]]), default=None)
    better = best if best and mean(best["scores"]) > mean(base_scores) else None
    return {
        "round": number,
        "direction": direction,
        "split": split,
        "precision": precision,
        "base": str(base),
        "base_scores": base_scores,
        "candidates": tried,
        "choice": best["layer"] if best else None,
        "tuning": better["tuning"] if better else str(base),
        "scores": better["scores"] if better else base_scores,
        "stopped": better is None,
    }


def stop_at(rounds: Sequence[Round], epsilon: float) -> list[Round]:
    """The same rounds, `stopped` also true from the first one on that improves the mean score by `epsilon` or less."""
    result, stopped = [], False
    for this in sorted(rounds, key=lambda item: item["round"]):
        gain = round(mean(this["scores"]) - mean(this["base_scores"]), DIGITS)
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


def select(chains: Mapping[str, Sequence[Round]], epsilon: float) -> dict[str, Any]:
    """The final tuning of one direction, or the better of two (of equals, the one found by adding layers).

    Args:
        chains: direction -> its rounds.

    Returns:
        the content of `selected.json`: direction, tuning (its printed name), score (mean), scores, rounds, epsilon.
    """
    results = {direction: path(rounds, epsilon) for direction, rounds in chains.items()}
    direction = max(results, key=lambda d: (mean(results[d][2]), d))  # "forward" comes after "backward"
    kept, tuning, scores = results[direction]
    return {
        "direction": direction,
        "tuning": tuning,
        "score": None if None in scores else mean(scores),
        "scores": scores,
        "rounds": len(kept),
        "epsilon": epsilon,
    }
