"""How many jobs a config makes, how long each takes, and how long all take on so many GPUs. No torch.

The jobs are those of the steps of each pair (`subtuning.search.steps`), the shards of a step side by side. Assumed are
equal seconds for all runs of a backbone, a fixed floor of seconds for every job that trains, tasks and backbones that
are prepared, and a queue that is ours alone and serves jobs in the order in which they become ready. Tables, figures
and the choice of a round take no time.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from statistics import mean
from typing import Any

from subtuning.config import Config
from subtuning.registry import names_of
from subtuning.runs import Backbone, Run, Split
from subtuning.search.steps import settings_of, steps_of
from subtuning.search.study import Study, share
from subtuning.tuning.tuning import ONLY_HEAD

Layers = Mapping[str, Any]
"""The content of a backbone's `layers.json`."""

_ANY = Backbone("", "", 0, "", (), (), "")
"""Which runs there are does not depend on the weights."""


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
    settings = settings_of(config, pair[1])
    base = Run("", Split("val"), _ANY, ONLY_HEAD, config.recipe_of(*pair), names=pair)
    study = Study(settings, base, dict(layers), lambda run: None)
    seen: set[Run] = set()
    ends: dict[str, tuple[tuple, ...]] = {}
    for step in steps_of(settings):
        after = tuple(end for name in step.after for end in ends[name])
        stage, wanted = (*pair, step.name), step.wanted(study)
        ends[step.name] = (stage,) if step.rules[0] else after
        shards, of_one = settings.get(step.shards, 1), len(set(wanted.later))
        for index in range(shards if step.rules[0] else 0):
            known = [run for run in share(wanted.runs, index, shards) if run not in seen]
            later = len(range(index, len(wanted.later) // of_one, shards)) * of_one if of_one else 0
            yield Job(stage, step.rules[0], pair[1], len(known) + later, after)
        seen |= set(wanted.runs)


def rule_counts(config: Config, jobs: Sequence[Job]) -> dict[str, int]:
    """Rule -> number of its jobs in the whole DAG, as a dry run in an empty folder counts them."""
    pairs = len(config.tasks) * len(config.backbones)
    counts = Counter(job.rule for job in jobs)
    for backbone in config.backbones:
        steps = steps_of(settings_of(config, backbone))
        rules = [step.rules[1] for step in steps]
        drawn = [step for step in steps if step.rules[1] == "experiment_table" and step.name in names_of("figures")]
        rules += ["draw_experiment"] * len(drawn)
        counts.update({rule: len(config.tasks) * count for rule, count in Counter(rules).items()})
    counts["fetch_task"] = sum(task.source == "vtab" for task in config.tasks.values())
    counts["convert_task"] = len(config.tasks)
    counts["fetch_weights"] = counts["describe_backbone"] = len(config.backbones)
    counts |= dict.fromkeys(("check_plan", "draw_figures", "answer", "errors"), pairs)
    counts["deliver"] = sum(config.delivers(task, backbone) for task in config.tasks for backbone in config.backbones)
    counts["draw_profile_test"] = counts["profile_test_table"]
    counts["draw_profiles"] = int(pairs > 1)
    counts["draw_layers_of_tasks"] = len(config.backbones) * (len(config.tasks) > 1)
    counts["summary"] = counts["all"] = 1
    return {rule: count for rule, count in counts.items() if count and rule}


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
    order: TopologicalSorter[int | tuple] = TopologicalSorter()  # of the jobs' numbers and the stages
    for index, job in enumerate(jobs):
        order.add(index, *job.after)
        order.add(job.stage, index)
    order.prepare()
    now = 0.0
    ready: list[tuple[float, int]] = []
    running: list[tuple[float, int]] = []
    while order.is_active():
        while nodes := order.get_ready():
            for index in (node for node in nodes if isinstance(node, int)):
                heapq.heappush(ready, (now, index))
            order.done(*(node for node in nodes if not isinstance(node, int)))
        while ready and len(running) < gpus:
            _, index = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds_of(jobs[index]), index))
        if running:
            now, index = heapq.heappop(running)
            order.done(index)
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
    return {name: mean(values) for name, values in found.items()}
