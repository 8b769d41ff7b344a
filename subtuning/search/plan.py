"""All runs that a config asks for in one task and backbone, as far as the finished ones tell.

A greedy round is known once the one before it is finished; it is computed from the records themselves, with the
functions of the workflow, so that a changed config is answered at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from subtuning.config import Config
from subtuning.runs.identity import Run, Split
from subtuning.search import greedy
from subtuning.search.profile import best_layer, candidates, cv_splits, runs_of, shard, tunings
from subtuning.search.racing import race
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, Tuning

Get = Callable[[Run], dict[str, Any] | None]
"""Gives the record of a finished run, else None."""


@dataclass
class Step:
    """The runs of one step: those that are known, and the splits of those (at most) whose layers are not known yet."""

    runs: list[Run] = field(default_factory=list)
    later: list[Split] = field(default_factory=list)


def plan(config: Config, base: Run, layers: dict[str, Any], get: Get) -> dict[str, Step]:
    """The steps of one task and backbone, by name, in the order of the workflow; steps may share runs.

    Args:
        base: a run of the pair, with the recipe that the config gives it.
        layers: the content of the backbone's `layers.json`.
    """
    folds = cv_splits(config.profile.folds)
    steps = {"profile": Step(runs_of(base, tunings(layers), folds))}
    if config.profile.test_seeds:
        test = runs_of(base, tunings(layers), [Split("test")])
        seeds = range(config.profile.test_seeds)
        steps["profile on test"] = Step([run.with_seed(seed) for seed in seeds for run in test])
    ways = {"linear": ["forward"], "full": ["backward"], "best": ["forward", "backward"]}[config.greedy.start]
    chains = {way: _rounds(config, base, layers, get, way, steps) for way in ways}
    profile = [get(run) for run in steps["profile"].runs]
    best = best_layer(profile, layers) if None not in profile else None
    chosen = None
    if None not in chains.values():
        chosen = greedy.select(chains, config.greedy.epsilon)["tuning"]
    steps["evaluation"] = _evaluation(config, base, layers, best, chosen)
    if None in profile:
        steps["evaluation"].later += [Split("test")] * config.evaluate.seeds
    return steps


def is_complete(steps: dict[str, Step], get: Get) -> bool:
    """Whether every run of every step is known and finished."""
    return not any(step.later or None in map(get, step.runs) for step in steps.values())


def _rounds(
    config: Config, base: Run, layers: dict[str, Any], get: Get, direction: str, steps: dict[str, Step]
) -> list[greedy.Round] | None:
    """Add the steps of one direction's rounds; return its rounds, or None if they are not all known yet."""
    splits = cv_splits(config.greedy.folds) if config.greedy.split == "cv" else [Split("val")]
    known = {(run.tuning, run.split): run for run in steps["profile"].runs}
    rounds: list[greedy.Round] = []
    for number in range(1, config.greedy.max_rounds + 1):
        previous = rounds[-1] if rounds else None
        start, moves = greedy.before(layers, direction, previous)
        if previous and previous["stopped"]:
            break
        wanted = ([] if previous else [start]) + [tuning for _, tuning in moves]
        new = [tuning for tuning in wanted if (tuning, splits[0]) not in known]
        known |= {(run.tuning, run.split): run for run in runs_of(base, new, splits)}
        runs = {tuning: [known[tuning, split] for split in splits] for tuning in wanted}
        step, records = _round(config, runs, get, raced=config.search.racing and previous is not None)
        steps[f"greedy {direction} {number}"] = step
        if any(None in found for found in records.values()):
            for later in range(number + 1, config.greedy.max_rounds + 1):
                count = len(candidates(layers)) - later + 1
                steps[f"greedy {direction} {later}"] = Step(later=splits * max(count, 0))
            return None
        rounds.append(greedy.play(layers, direction, previous, records.__getitem__, config.greedy.split))
    return rounds


def _round(
    config: Config, runs: dict[Tuning, list[Run]], get: Get, raced: bool
) -> tuple[Step, dict[Tuning, list[dict[str, Any] | None]]]:
    """A round's step and its records as far as they are finished; of a race, only those of candidates still in it."""
    if not raced:
        step = Step([run for group in runs.values() for run in group])
        return step, {tuning: list(map(get, group)) for tuning, group in runs.items()}
    step, records = Step(), {}
    for index in range(config.greedy.shards):  # each shard is a race of its own
        mine = shard(list(runs), index, config.greedy.shards)
        folds = len(runs[mine[0]]) if mine else 0
        found, alive = race(mine, folds, lambda alive, fold: [get(runs[tuning][fold]) for tuning in alive])
        records |= found
        step.runs += [run for tuning, seen in found.items() for run in runs[tuning][: len(seen)]]
        reached = max(map(len, found.values()), default=0)
        step.later += [run.split for tuning in alive for run in runs[tuning][reached:]]
    return step, records


def _evaluation(config: Config, base: Run, layers: dict[str, Any], best: str | None, chosen: str | None) -> Step:
    names = [row["name"] for row in layers["layers"]]
    named = config.subsets_of(base.names[1]).values()
    wanted = [ONLY_HEAD, EVERYTHING, *(Tuning.parse(layers, names) for layers in named)]
    wanted += [Tuning((best,))] if best else []
    wanted += [Tuning.parse(chosen, names)] if chosen is not None else []
    runs = runs_of(base, list(dict.fromkeys(wanted)), [Split("test")])
    seeds = range(config.evaluate.seeds)
    later = [Split("test")] * (config.evaluate.seeds if chosen is None else 0)
    return Step([run.with_seed(seed) for seed in seeds for run in runs], later)
