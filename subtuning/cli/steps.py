"""Verbs of a study's steps: check it, train a step, write what a step concludes."""

import argparse
import sys
from pathlib import Path
from typing import Any

from subtuning.cli.common import device_arguments, from_json, machine_of, pair_arguments, pair_of, positive
from subtuning.config import load_config
from subtuning.errors import UserError
from subtuning.search.steps import settings_of, steps_of
from subtuning.search.study import Study
from subtuning.tasks.write import check_space
from subtuning.tuning.tuning import WEIGHTS, Tuning
from subtuning.workspace import steps
from subtuning.workspace.estimates import LONG, SLOW, models_size, plan_of
from subtuning.workspace.forecast import Speed, forecast_study, round_minutes
from subtuning.workspace.pair import Pair
from subtuning.workspace.paths import Results, write_json


def check_plan_arguments(parser: argparse.ArgumentParser) -> None:
    _arguments(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write the names of all steps, as JSON")
    parser.add_argument("--probe", action="store_true", help="also measure how long all steps take on this machine")


def check_plan(args: argparse.Namespace) -> None:
    """Say now what would stop a later step: too few images for its folds, a layer or a way of training that is not
    there, an experiment's wrong options."""
    pair, settings = pair_of(args), settings_from(args)
    where = f"{args.task}/{args.backbone}"
    for key in ["profile.folds"] + ["greedy.folds"] * (settings["greedy.split"] == "cv"):
        try:
            pair.task.folds(settings[key])
        except UserError as error:
            raise UserError(f"{key}, task {args.task!r}: {error}") from None
    study = Study(settings, pair.base, pair.layers, lambda run: None, counts=pair.task.counts)
    every = steps_of(settings)
    for step in every:
        wanted = step.wanted(study)
        if wanted.trouble:
            raise UserError(f"{step.name} of {where}: {wanted.trouble}")
        for tuning in {run.tuning for run in wanted.runs if run.tuning.how != WEIGHTS}:
            _check_tuning(tuning, pair.layers)
    check_space(args.results, models_size(study, every), "for the trained tensors (evaluate.models: false keeps none)")
    speed = _probe(pair, study) if args.probe else None
    if args.out:
        write_json(args.out, plan_of([step.name for step in every], speed))


def _probe(pair: Pair, study: Study) -> Speed | None:
    """How fast this machine trains; None where even a slow one is quick. What takes long, it says now.

    Raises:
        UserError: full fine-tuning does not fit into its memory.
    """
    if sum(forecast_study(study, pair.task.counts, SLOW).values()) < LONG:
        return None
    from subtuning.benchmark.probe import measure_speed
    from subtuning.benchmark.room import check_room, measure_room

    weights = Results(pair.results).weights(pair.names[1])
    classes, size = len(pair.task.classes), pair.task.image_size
    try:
        if warning := check_room(measure_room(pair), pair):
            print(warning, file=sys.stderr)
        speed = measure_speed(pair.layers, weights, pair.recipe, classes, size)
    except RuntimeError as error:  # a GPU that others fill: no reason to stop
        print(f"note: how long this takes could not be measured ({str(error)[:80]})", file=sys.stderr)
        return None
    seconds = sum(forecast_study(study, pair.task.counts, speed).values())
    if seconds >= LONG:
        busy = "; other programs are busy on it now, so rather longer" if speed.busy else ""
        print(
            f"Time: {'/'.join(pair.names)} takes {round_minutes(seconds)} on this machine, {speed.device}{busy}; "
            "subtuning init writes a config that takes less"
        )
    return speed


def _check_tuning(tuning: Tuning, layers: dict[str, Any]) -> None:
    from subtuning.tuning.adapters import adapted_layers, adapter_of

    adapter_of(tuning.how)
    tensors = {row["name"]: row["tensors"] for row in layers["layers"] if "tensors" in row}
    if len(tensors) == len(layers["layers"]):
        adapted_layers(tuning, tensors)


def train_step_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("step", help="such as profile, greedy/forward/2 or evaluation; `subtuning status` lists them")
    _arguments(parser)
    parser.add_argument("--shard", type=int, default=0, metavar="I", help="which part of the runs, from 0")
    parser.add_argument("--shards", type=positive, default=1, metavar="N", help="into how many parts they are split")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to list the runs, as JSON")
    parser.add_argument(
        "--models", action=argparse.BooleanOptionalAction, default=True, help="keep what evaluation runs trained"
    )
    device_arguments(parser)


def train_step(args: argparse.Namespace) -> None:
    """Train what a step asks for, and list the runs."""
    records = steps.train_step(pair_of(args), args.step, settings_from(args), machine_of(args), args.shard, args.shards)
    if args.out:
        write_json(args.out, {"runs": [record["id"] for record in records]})


def conclude_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("step", help="such as profile, greedy/forward/2, greedy or evaluation")
    _arguments(parser)
    parser.add_argument(
        "--out",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="a .csv file gets the step's table, a .json file what it concludes",
    )


def conclude(args: argparse.Namespace) -> None:
    """Write a step's table or conclusion from finished runs; nothing is trained."""
    pair, settings = pair_of(args), settings_from(args)
    for path in args.out:
        if path.suffix == ".csv":
            from subtuning.analysis.files import write_csv

            write_csv(steps.table_of_step(pair, args.step, settings), path)
        else:
            found = steps.conclude_step(pair, args.step, settings)
            if isinstance(found, dict) and "note" in found:
                print(f"note: {found['note']}", file=sys.stderr)
            write_json(path, found)


def _arguments(parser: argparse.ArgumentParser) -> None:
    pair_arguments(parser)
    settings_argument(parser)


def settings_argument(parser: argparse.ArgumentParser) -> None:
    """`--settings`."""
    parser.add_argument("--settings", type=from_json, metavar="JSON", help="what the step reads of the config, by key")


class _Given(dict):
    """Settings of the command line."""

    def __missing__(self, key: str) -> Any:
        raise UserError(f"--settings: {key} is missing; `snakemake --printshellcmds` shows what each step needs")


def settings_from(args: argparse.Namespace) -> dict[str, Any]:
    """The settings given as JSON, or else the config's."""
    if args.settings is None:
        return settings_of(load_config(args.config), args.backbone)
    if not isinstance(args.settings, dict):
        raise UserError("--settings must be a JSON object, such as '{\"profile.folds\": 5}'")
    return _Given(args.settings)
