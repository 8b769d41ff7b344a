"""The verb that says how many jobs a config makes and how long they take."""

import argparse
import math
import sys
from collections.abc import Iterator
from statistics import mean
from typing import Any

from subtuning.analysis import job_size
from subtuning.cli.common import config_arguments, positive, print_table
from subtuning.config import Config, load_config
from subtuning.errors import UserError, did_you_mean
from subtuning.workspace.forecast import mean_seconds
from subtuning.workspace.paths import Results
from subtuning.workspace.prepared import prepared_backbone, prepared_task, task_entry


def plan_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shards", type=positive, nargs="+", metavar="N", help="instead of profile and greedy.shards")
    parser.add_argument("--max-rounds", type=positive, nargs="+", metavar="N", help="instead of greedy.max_rounds")
    parser.add_argument("--gpus", type=positive, nargs="+", default=[1, 8, 64], metavar="N", help="default: 1 8 64")
    parser.add_argument(
        "--seconds",
        type=_seconds,
        nargs="+",
        default=[],
        metavar="BACKBONE=S",
        help="seconds of one run (default: the mean of the finished ones, or else measured here for some seconds)",
    )
    parser.add_argument(
        "--floor",
        type=float,
        default=60,
        metavar="S",
        help="seconds a job needs besides its runs (default: %(default)s)",
    )
    config_arguments(parser)


def plan(args: argparse.Namespace) -> None:
    """Print jobs, runs and hours for every combination of the settings."""
    if not (math.isfinite(args.floor) and args.floor >= 0):
        raise UserError(f"--floor is {args.floor}, which must be a number of seconds, 0 or more")
    config = load_config(args.config)
    seconds = _seconds_of_runs(config, args)
    layers = {name: _layers(config, name, args) for name in config.backbones}
    headings = ["shards", "max_rounds", "jobs", "on the cluster", "that train", "runs", "longest job"]
    headings += [f"{count} GPU{'s' * (count > 1)}" for count in args.gpus]
    rows = [_row(variant, layers, seconds, args) for variant in _variants(config, args)]
    print_table(rows, headings, right=headings, style="github")
    known = ", ".join(f"{name} {value:.6g}" for name, value in seconds.items())
    print(f"\nSeconds a run: {known}; seconds a job besides: {args.floor:g}.")


def _row(config: Config, layers: dict[str, Any], seconds: dict[str, float], args: argparse.Namespace) -> list[str]:
    jobs = job_size.training_jobs(config, layers)
    counts = job_size.rule_counts(config, jobs)

    def seconds_of(job: job_size.Job) -> float:
        return job_size.duration(job, seconds, args.floor)

    cluster = len(jobs) + counts["convert_task"] + counts["describe_backbone"]
    shards = {config.profile.shards, config.greedy.shards}
    return [
        "/".join(map(str, sorted(shards))),
        str(config.greedy.max_rounds),
        *(f"{count:,}" for count in (sum(counts.values()), cluster, len(jobs), sum(job.runs for job in jobs))),
        _hours(max(map(seconds_of, jobs))),
        *(_hours(job_size.wall_time(jobs, gpus, seconds_of)) for gpus in args.gpus),
    ]


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h"


def _variants(config: Config, args: argparse.Namespace) -> Iterator[Config]:
    """The config with each combination of the given numbers of rounds and shards."""
    for rounds in args.max_rounds or [config.greedy.max_rounds]:
        for shards in args.shards or [None]:
            parts = {} if shards is None else {"shards": shards}
            changes = {
                "profile": config.profile.model_copy(update=parts),
                "greedy": config.greedy.model_copy(update={"max_rounds": rounds, **parts}),
            }
            yield config.model_copy(update=changes)


def _layers(config: Config, name: str, args: argparse.Namespace) -> dict[str, Any]:
    """The backbone's layers: those that `subtuning describe` wrote, or else found out now, which takes some seconds."""
    if known := prepared_backbone(config, name, args.results):
        return known
    from subtuning.backbones.describe import describe

    return describe(config.backbones[name], name)


def _seconds_of_runs(config: Config, args: argparse.Namespace) -> dict[str, float]:
    given = dict(args.seconds)
    if unknown := [name for name in given if name not in config.backbones]:
        hint = did_you_mean(unknown[0], config.backbones) or f"; there are {', '.join(config.backbones)}"
        raise UserError(f"--seconds: there is no backbone {unknown[0]!r} in the config{hint}")
    lacking = [name for name in config.backbones if name not in given]
    finished = job_size.mean_seconds(Results(args.results).store, config) if lacking else {}
    lacking = [name for name in lacking if name not in finished]
    return finished | (_measured(config, lacking, args) if lacking else {}) | given


def _measured(config: Config, backbones: list[str], args: argparse.Namespace) -> dict[str, float]:
    """Backbone -> seconds of one run by the forecast of `init`: real training steps, here and now."""
    from subtuning.benchmark.probe import measure_unprepared

    tasks = [(name, *_counts(config, name, backbones[0], args)) for name in config.tasks]
    print("Measuring this machine for some seconds ...", file=sys.stderr)
    found = {}
    for backbone in backbones:
        layers, speed = measure_unprepared(config, backbone, *tasks[0][2:])
        found[backbone] = mean(mean_seconds(config, (task, backbone), layers, own, speed) for task, own, *_ in tasks)
        print(f"No run of {backbone} is finished; measured here, on {speed.device}.", file=sys.stderr)
    return found


def _counts(config: Config, name: str, backbone: str, args: argparse.Namespace) -> tuple[dict[str, int], int, int]:
    """A task's numbers of images in its parts, of classes, and of channels; it need not be converted."""
    if facts := prepared_task(config, name, args.results):
        return facts["counts"], len(facts["classes"]), facts["image_size"][2]
    from subtuning.tasks.look import look

    if (spec := config.tasks[name]).source == "corrupted":  # as many images as the other task, in colour
        return *_counts(config, spec.of, backbone, args)[:2], 3
    try:
        seen = look(task_entry(spec))
    except UserError as error:
        raise UserError(
            f"no finished run in {args.results} tells how long one of {backbone} takes, and task {name} cannot be read "
            f"to measure it ({error}); give --seconds {backbone}=S"
        ) from None
    return seen.counts, len(seen.classes), seen.channels


def _seconds(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not name or not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not BACKBONE=SECONDS, such as resnet50=20")
    return name, value
