"""How many jobs a config makes, how long each takes, and how long all take on so many GPUs. No torch.

The model of the DAG: a pair's profile jobs, then its greedy rounds one after the other (the jobs of a round side by
side), then its evaluation. Assumed are equal seconds for all runs of a backbone, a fixed floor of seconds for every job
that trains, tasks and backbones that are prepared, and a queue that is ours alone and serves jobs in the order in which
they become ready. Tables, figures and the choice of a round take no time.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from subtuning.config import Config
from subtuning.search import greedy
from subtuning.search.profile import shard, tunings
from subtuning.tuning.tuning import Tuning

Layers = Mapping[str, Any]
"""The content of a backbone's `layers.json`."""


@dataclass(frozen=True)
class Job:
    """A job that trains.

    Attributes:
        stage: which pair and step it belongs to; a stage is finished when all its jobs are.
        rule: the rule's name.
        backbone: whose runs they are.
        runs: how many runs it trains; none where all are finished before.
        after: the stages that must be finished before.
    """

    stage: tuple
    rule: str
    backbone: str
    runs: int
    after: tuple[tuple, ...] = ()


def training_jobs(config: Config, layers: Mapping[str, Layers]) -> list[Job]:
    """All jobs that train, in the order of the config.

    Args:
        layers: backbone -> the content of its `layers.json`.
    """
    pairs = [(task, backbone) for task in config.tasks for backbone in config.backbones]
    return [job for pair in pairs for job in _pair_jobs(config, pair, layers[pair[1]])]


def _pair_jobs(config: Config, pair: tuple[str, str], layers: Layers) -> Iterator[Job]:
    profile, search, backbone = config.profile, config.greedy, pair[1]
    wanted = tunings(dict(layers))
    parts = [len(shard(wanted, index, profile.shards)) for index in range(profile.shards)]
    last = (*pair, "profile")
    yield from (Job(last, "train_profile", backbone, part * profile.folds) for part in parts)
    if profile.test_seeds:
        stage = (*pair, "profile_test")
        yield from (Job(stage, "train_profile_test", backbone, part * profile.test_seeds) for part in parts)
    shared = search.split == "cv" and search.folds == profile.folds
    splits = search.folds if search.split == "cv" else 1
    ends = []
    for direction in directions(config):
        after = last
        rounds = _rounds(layers, direction, search.max_rounds)
        for number, tunings_of_round in enumerate(rounds, 1):
            stage = (*pair, direction, number)
            for index in range(search.shards):
                mine = [s for s in shard(tunings_of_round, index, search.shards) if not (shared and s in wanted)]
                yield Job(stage, "train_greedy", backbone, len(mine) * splits, (after,))
            after = stage
        ends.append(after)
    methods = 4 + len(config.subsets_of(backbone))  # linear, best layer, greedy, full
    yield Job((*pair, "evaluation"), "train_evaluation", backbone, methods * config.evaluate.seeds, tuple(ends))


def directions(config: Config) -> list[str]:
    """The ways in which the greedy search goes."""
    return {"linear": ["forward"], "full": ["backward"], "best": ["forward", "backward"]}[config.greedy.start]


def _rounds(layers: Layers, direction: str, count: int) -> Iterator[list[Tuning]]:
    """What each round trains if the search never stops: a round's size does not depend on what was chosen before."""
    previous: dict[str, Any] | None = None
    for _ in range(count):
        base, moves = greedy.before(dict(layers), direction, previous)
        yield ([base] if previous is None else []) + [tuning for _, tuning in moves]
        chosen = moves[0][1] if moves else base
        previous = {"tuning": str(chosen), "stopped": not moves}


def rule_counts(config: Config, jobs: Sequence[Job]) -> dict[str, int]:
    """Rule -> number of its jobs in the whole DAG, as a dry run in an empty folder counts them."""
    pairs = len(config.tasks) * len(config.backbones)
    counts = Counter(job.rule for job in jobs)
    counts["fetch_task"] = sum(task.source == "vtab" for task in config.tasks.values())
    counts["convert_task"] = len(config.tasks)
    counts["fetch_weights"] = counts["describe_backbone"] = len(config.backbones)
    counts["profile_table"] = counts["greedy_path"] = counts["evaluation_table"] = counts["draw_figures"] = pairs
    counts["select_greedy"] = pairs * len(directions(config)) * config.greedy.max_rounds
    counts["profile_test_table"] = counts["draw_profile_test"] = pairs if config.profile.test_seeds else 0
    counts["summary"] = counts["all"] = 1
    return {rule: count for rule, count in counts.items() if count}


def duration(job: Job, seconds: Mapping[str, float], floor: float) -> float:
    """Seconds that a job holds its GPU.

    Args:
        seconds: backbone -> seconds of one run, as its record tells: a lane's own time and its share of the trunk's.
        floor: seconds that a job needs besides its runs: to start Snakemake and torch, to read weights and images.
    """
    return floor + job.runs * seconds[job.backbone]


def wall_time(jobs: Sequence[Job], gpus: int, seconds_of: Callable[[Job], float]) -> float:
    """Seconds until all jobs are finished, one job at a time on each GPU, first come, first served.

    A free GPU takes the job that has been ready longest; of equals, the one that is first in `jobs`.
    """
    left = Counter(job.stage for job in jobs)
    waiting = {index: {stage for stage in job.after if stage in left} for index, job in enumerate(jobs)}
    followers: dict[tuple, list[int]] = defaultdict(list)
    for index, stages in waiting.items():
        for stage in stages:
            followers[stage].append(index)
    ready = [(0.0, index) for index, stages in waiting.items() if not stages]
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < gpus:
            _, index = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds_of(jobs[index]), index))
        now, index = heapq.heappop(running)
        stage = jobs[index].stage
        left[stage] -= 1
        if not left[stage]:
            for follower in followers[stage]:
                waiting[follower].discard(stage)
                if not waiting[follower]:
                    heapq.heappush(ready, (now, follower))
    return now


def mean_seconds(records: Iterable[Mapping[str, Any]], config: Config) -> dict[str, float]:
    """Backbone -> mean seconds of its finished runs, as far as model, input size and epochs are those of the config."""
    found: dict[str, list[float]] = defaultdict(list)
    for record in records:
        identity, name = record["identity"], record["names"]["backbone"]
        spec = config.backbones.get(name)
        if spec is None or record["status"] != "done" or record["names"]["task"] not in config.tasks:
            continue
        epochs = config.recipe_of(record["names"]["task"], name).epochs
        same_size = spec.input_size in (None, identity["backbone"]["input_size"])
        if same_size and (identity["backbone"]["model"], identity["recipe"]["epochs"]) == (spec.model, epochs):
            found[name].append(record["seconds"])
    return {name: sum(values) / len(values) for name, values in found.items()}
