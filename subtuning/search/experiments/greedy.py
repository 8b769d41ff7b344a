"""Greedy-SubTuning (paper, section 4): grow the subset from linear probing, or shrink it from full fine-tuning.

A round is a plain dictionary, the content of `greedy/<direction>/round<r>.json`:

    round, direction    number from 1; "forward" or "backward"
    split               "cv" or "val": what the scores were measured on
    metric              what the scores are: `search.metric`
    precision           in which all of them were: rounds build upon each other, so they have one
    base, base_scores   the tuning before the round, by its printed name, and its score for every fold
    candidates          [{layer, tuning, scores}], one for each layer that could be added (or removed); one that was
                        dropped from a race has fewer scores than there are folds, and "dropped": true; it has none
                        if the round did not try it (see `racing.promising`)
    choice              the best candidate's layer (null when all diverged, or after the stop)
    tuning, scores      the tuning after the round, and its scores
    stopped             true when no candidate was better than the base; then `tuning` is the base
    penalty             only with `greedy.cost_weight`: what the score of the tuning after the round is lowered by when
                        it is compared; a candidate has its own, and `base_penalty` is the base's

The chain of rounds stops when no candidate improves at all. `decided` applies `greedy.stop` and `greedy.epsilon`
afterwards, so a change of either never trains the search anew.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from subtuning.runs.identity import Run, Split
from subtuning.search.costs import FREE, CostRule
from subtuning.search.effort import ask, is_fast
from subtuning.search.experiments import profile
from subtuning.search.racing import promising
from subtuning.search.scores import fold_scores, worth
from subtuning.search.selection import Round, decide, select, without_luck
from subtuning.search.study import Settings, Step, Study, Wanted, candidates, cv_splits
from subtuning.tuning.tuning import FULL, ONLY_HEAD, WEIGHTS, How, Tuning

DIRECTIONS = {"linear": ["forward"], "full": ["backward"], "best": ["forward", "backward"]}
"""`greedy.start` -> the ways in which the search goes."""

ROUND_READS = (*profile.READS, "greedy.folds", "greedy.split", "greedy.shards")
ROUND_READS += ("greedy.cost", "greedy.cost_weight", "greedy.cost_cap")
READS = (*ROUND_READS, "greedy.start", "greedy.max_rounds", "greedy.stop", "greedy.epsilon")


def names(settings: Settings) -> list[str]:
    """Every round of every direction, and the choice among them."""
    rounds = range(1, settings["greedy.max_rounds"] + 1)
    return [*(f"greedy/{way}/{number}" for way in DIRECTIONS[settings["greedy.start"]] for number in rounds), "greedy"]


def step(name: str, settings: Settings) -> Step:
    """A round, such as `greedy/forward/2`, or `greedy`, which says which of them are kept, and selects."""
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
        count = len(candidates(study.layers, study.how)) - number + 1
        return Wanted(later=splits(study.settings) * study.settings["search.seeds"] * max(count, 0))
    if number == 1 and (trouble := _nothing_fits(study)):
        return Wanted(trouble=trouble)
    return _play(study, direction, done[-1] if done else None)[0]


def _nothing_fits(study: Study) -> str:
    """Why no layer at all may be tried, empty if one may."""
    rule = CostRule.of_settings(study.settings)
    costs = {name: rule.share(Tuning((name,), study.how), study.layers) for name in candidates(study.layers, study.how)}
    cheapest = min(costs, key=costs.__getitem__)
    if costs[cheapest] <= rule.cap:
        return ""
    least = f"the cheapest, {cheapest}, costs {costs[cheapest]:.3g} of all {rule.of}"
    return f"greedy.cost_cap {rule.cap:g} leaves no layer to try: {least}"


def finished(study: Study, direction: str, count: int) -> list[Round]:
    """The first `count` rounds of a direction, or as many of them as are finished."""
    done = study.kept.setdefault(("rounds", direction), [])
    while len(done) < count:
        previous = done[-1] if done else None
        asked, runs = _play(study, direction, previous)
        records = {tuning: list(map(study.get, own)) for tuning, own in runs.items()}
        if asked.later or any(None in found for found in records.values()):
            break
        split = study.settings["greedy.split"]
        rule = CostRule.of_settings(study.settings)
        of = partial(_records_of, records)
        done.append(play(study.layers, direction, previous, of, split, study.how, rule))
    return done[:count]


def _records_of(found: Mapping[Tuning, list[Any]], tuning: Tuning) -> list[Any]:
    """None of a candidate that the round did not try."""
    return found.get(tuning, [])


def rounds(study: Study, direction: str, count: int) -> list[Round]:
    """The first `count` rounds. Raises `UserError` that names a run that one of them lacks."""
    while len(done := finished(study, direction, count)) < count:
        study.require(_play(study, direction, done[-1] if done else None)[0].runs)
    return done


def conclude(study: Study) -> dict[str, Any]:
    """What is selected (see `select`), the `rule` that decided, and the `corrected` score (see `without_luck`)."""
    found = decided(study)
    selected = select(found, study.settings["greedy.epsilon"])
    rounds = found[selected["direction"]]
    about = {key: rounds[0][key] for key in ("rule", "note") if key in rounds[0]}
    rule = CostRule.of_settings(study.settings)
    if rule != FREE:
        tuning = Tuning.parse(selected["tuning"], study.names)
        about["cost"] = {"of": rule.of, "share": rule.share(tuning, study.layers)}
    return selected | {"corrected": without_luck(study, rounds, splits(study.settings))} | about


def decided(study: Study) -> dict[str, list[Round]]:
    """Direction -> its rounds, as `greedy.epsilon` and `greedy.stop` leave them (see `decide`)."""
    if "decided" not in study.kept:
        scored = splits(study.settings)
        study.kept["decided"] = {way: decide(study, found, scored) for way, found in chains(study).items()}
    return study.kept["decided"]


def chains(study: Study) -> dict[str, list[Round]]:
    """Direction -> all of its rounds."""
    count = study.settings["greedy.max_rounds"]
    return {way: rounds(study, way, count) for way in DIRECTIONS[study.settings["greedy.start"]]}


def _play(study: Study, direction: str, previous: Round | None) -> tuple[Wanted, dict[Tuning, list[Run]]]:
    """What a round asks for, and of each tuning that it tries, its runs."""
    start, options = before(study.layers, direction, previous, study.how, CostRule.of_settings(study.settings))
    if previous and is_fast(study.settings):
        tried = {candidate["layer"]: candidate["scores"] for candidate in previous["candidates"]}
        chosen = promising(tried, [layer for layer, _ in options])
        options = [(layer, tuning) for layer, tuning in options if layer in chosen]
    compared = [] if previous else [start]
    tunings = [*compared, *(tuning for _, tuning in options)]
    return ask(study, tunings, compared, splits(study.settings), "greedy.shards")


def moves(layers: Mapping[str, Any], direction: str, base: Tuning, how: How = WEIGHTS) -> list[tuple[str, Tuning]]:
    """Every layer that can be added to (forward) or removed from (backward) `base`, with the tuning that results."""
    names, known = [row["name"] for row in layers["layers"]], candidates(layers, how)
    held, forward = set(base.of(names if how == WEIGHTS else known)), direction == "forward"
    own = Tuning(FULL, how)
    return [(name, own.with_layers(held ^ {name}, names)) for name in known if (name in held) is not forward]


def before(
    layers: Mapping[str, Any], direction: str, previous: Round | None, how: How = WEIGHTS, rule: CostRule = FREE
) -> tuple[Tuning, list[tuple[str, Tuning]]]:
    """The base of a round and its moves (none after a stop), given the round before it; none that costs too much."""
    if previous is None:
        base = ONLY_HEAD if direction == "forward" else Tuning(FULL, how)
    else:
        base = Tuning.parse(previous["tuning"], [row["name"] for row in layers["layers"]])
    options = [] if previous and previous["stopped"] else moves(layers, direction, base, how)
    return base, [(layer, tuning) for layer, tuning in options if rule.allows(tuning, layers)]


def play(
    layers: Mapping[str, Any],
    direction: str,
    previous: Round | None,
    records_of: Callable[[Tuning], Sequence[dict[str, Any]]],
    split: str = "cv",
    how: How = WEIGHTS,
    rule: CostRule = FREE,
) -> Round:
    """Choose the best candidate of a round from finished records.

    Args:
        previous: the round before, None for the first.
        records_of: the selection records of a tuning, one for each fold and seed.
        how: layers are trained.
        rule: which candidates are tried, and what of their score their cost takes.

    Returns:
        The round. Of equal candidates the one with fewer trained parameters wins, one that diverged in a fold or was
        dropped from a race never.
    """
    base, options = before(layers, direction, previous, how, rule)
    about, base_scores = _begun(previous, records_of(base) if previous is None else [])
    tried = [
        {"layer": layer, "tuning": str(tuning), "scores": fold_scores(records_of(tuning))} for layer, tuning in options
    ]
    for candidate in tried:
        if len(candidate["scores"]) < len(base_scores):
            candidate["dropped"] = True
    base_cost = _price(tried, options, base, layers, rule)
    finished = [c for c in tried if None not in c["scores"] and "dropped" not in c]
    parameters = {row["name"]: row["parameters"] for row in layers["layers"]}
    sign = -1 if direction == "forward" else 1
    best = max(finished, key=lambda c: (worth(c), sign * parameters[c["layer"]]), default=None)
    better = best is not None and (None in base_scores or worth(best) > worth({"scores": base_scores} | base_cost))
    return {
        "round": about["round"],
        "direction": direction,
        "split": split,
        **about,
        "base": str(base),
        "base_scores": base_scores,
        "candidates": tried,
        "choice": best["layer"] if best else None,
        "tuning": best["tuning"] if better else str(base),
        "scores": best["scores"] if better else base_scores,
        "stopped": not better,
        **_costs_of(base_cost, best if better else None),
    }


def _begun(previous: Round | None, records: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], Sequence[float | None]]:
    """What a round inherits from the one before it, or else from the `records` of its base; and its base's scores."""
    if previous is not None:
        about = {"round": previous["round"] + 1, "metric": previous["metric"], "precision": previous["precision"]}
        return about, previous["scores"]
    precision = records[0]["identity"]["recipe"]["precision"]
    return {"round": 1, "metric": records[0].get("metric", "accuracy"), "precision": precision}, fold_scores(records)


def _price(
    tried: Sequence[dict[str, Any]],
    options: Sequence[tuple[str, Tuning]],
    base: Tuning,
    layers: Mapping[str, Any],
    rule: CostRule,
) -> dict[str, float]:
    """Give each candidate its `penalty`; returns the base's. Nothing where cost has no weight."""
    if not rule.weight:
        return {}
    for candidate, (_, tuning) in zip(tried, options, strict=True):
        candidate["penalty"] = rule.penalty(tuning, layers)
    return {"penalty": rule.penalty(base, layers)}


def _costs_of(base: Mapping[str, float], best: Mapping[str, Any] | None) -> dict[str, float]:
    """The keys of a round for what its base and the tuning after it cost, if cost has weight."""
    if not base:
        return {}
    return {"base_penalty": base["penalty"], "penalty": best["penalty"] if best else base["penalty"]}
