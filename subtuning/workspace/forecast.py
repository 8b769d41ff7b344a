"""How long a study will take, before any of it is trained: its runs' FLOPs at the speed that was measured. No torch.

Counted is what is really computed (see `training/`): of the frozen network nothing below a lane's lowest trained layer,
since its values are kept or shared. The greedy search is assumed to go to its last round, and a grid of rates not to
grow, so the truth may be less or a little more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from statistics import mean
from typing import Any

from subtuning.analysis.time_left import training_images
from subtuning.config import Config
from subtuning.runs import Run
from subtuning.search.effort import is_fast
from subtuning.search.steps import settings_of, steps_of
from subtuning.search.study import Settings, Step, Study
from subtuning.tuning.tuning import Tuning
from subtuning.workspace.pair import base_run

SECONDS_A_JOB = 6.0
"""Of a training job besides its runs: Python, torch, the images and the weights are loaded."""

SECONDS_A_PAIR = 30.0
"""Of what is not trained: conversion, tables, figures, the answer, the model."""

FAST = {"profile": 0.55, "greedy": 0.2}
"""Experiment -> the share of its trainings that `search.effort: fast` needs (measured: docs/stopping.md)."""


@dataclass(frozen=True)
class Speed:
    """How fast a machine trains a backbone, all lanes that it trains at once together.

    Attributes:
        flops: FLOPs a second of the trained part of lanes.
        step, run: seconds that a step of a lane, and a whole lane, take besides, however small the network.
        device: what trains, for people.
        busy: whether other programs took much of the machine meanwhile; the figures are those of a quiet one.
    """

    flops: float
    step: float
    run: float
    device: str
    busy: bool = False


def lane_flops(tuning: Tuning, layers: Mapping[str, Any]) -> float:
    """FLOPs that a lane's own part takes to train one image once: forward and backward from its lowest trained layer,
    and the gradients of its weights."""
    rows = layers["layers"]
    trained = set(tuning.of([row["name"] for row in rows]))
    cut = next((place for place, row in enumerate(rows) if row["name"] in trained), len(rows))
    return 2 * sum(row["flops"] for row in rows[cut:]) + sum(row["flops"] for row in rows if row["name"] in trained)


def forecast(
    config: Config, pair: tuple[str, str], layers: dict[str, Any], counts: Mapping[str, int], speed: Speed
) -> dict[str, float]:
    """Step -> seconds until all of its runs are trained on this machine, when nothing is trained yet.

    Args:
        layers: the content of the backbone's `layers.json`.
        counts: the numbers of images in the task's parts.
    """
    return forecast_study(_untrained(config, pair, layers), counts, speed)


def _untrained(config: Config, pair: tuple[str, str], layers: dict[str, Any]) -> Study:
    base = base_run("", layers, config.recipe_of(*pair), pair)
    return Study(settings_of(config, pair[1]), base, layers, lambda run: None)


def mean_seconds(
    config: Config, pair: tuple[str, str], layers: dict[str, Any], counts: Mapping[str, int], speed: Speed
) -> float:
    """The forecast of one run, as the mean of those of a study that are known before any of it is trained."""
    study = _untrained(config, pair, layers)
    runs = {run for step in steps_of(study.settings) for run in step.wanted(study).runs}
    return mean(seconds_of(run, study, counts, speed) for run in runs)


def forecast_study(study: Study, counts: Mapping[str, int], speed: Speed) -> dict[str, float]:
    """The same of a study, of what is not finished in it; of a run that two steps share, the first one pays."""
    pairs = [Tuning(names) for names in combinations(study.candidates, 2)] or [Tuning(tuple(study.candidates))]
    unknown = mean(lane_flops(tuning, study.layers) for tuning in pairs)
    seen: set[Run] = set()
    found: dict[str, float] = {}
    for step in steps_of(study.settings):
        wanted = step.wanted(study)
        missing = [run for run in wanted.runs if run not in seen and study.get(run) is None]
        costs = [seconds_of(run, study, counts, speed) for run in missing]
        costs += [seconds_of(study.base.with_split(split), study, counts, speed, unknown) for split in wanted.later]
        fast = is_fast(study.settings) and "search.effort" in step.reads
        share = FAST.get(step.name.partition("/")[0], 1.0) if fast else 1.0
        seen |= set(wanted.runs)
        if costs:
            found[step.name] = share * sum(costs) + SECONDS_A_JOB * _jobs(step, study.settings)
    return found


def seconds_of(run: Run, study: Study, counts: Mapping[str, int], speed: Speed, flops: float | None = None) -> float:
    """Seconds of one run: its FLOPs (None: of its layers) and steps; scoring an image is a third of training it."""
    flops = lane_flops(run.tuning, study.layers) if flops is None else flops
    images = training_images(run.split, counts)
    scored = counts["test"] if run.split.kind == "test" else counts["train"] + counts["val"] - images
    seen = run.recipe.epochs * images + scored / 3
    return seen * (flops / speed.flops + speed.step / study.base.recipe.batch_size) + speed.run


def _jobs(step: Step, settings: Settings) -> int:
    return settings.get(step.shards, 1) if step.rules[0] else 0


def round_minutes(seconds: float) -> str:
    """A forecast in words, no finer than it is: `under a minute`, `about 6 minutes`, `about 3 hours`."""
    if seconds < 50:
        return "under a minute"
    for unit, size, limit in (("minute", 60, 5400), ("hour", 3600, 48 * 3600), ("day", 86400, float("inf"))):
        if seconds < limit:
            number = max(1, round(seconds / size))
            return f"about {number:,} {unit}{'s' * (number > 1)}"
    raise AssertionError("the last limit is infinite")
