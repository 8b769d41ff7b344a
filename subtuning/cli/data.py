"""Verbs about tasks."""

import argparse
from pathlib import Path

from pydantic import TypeAdapter

from subtuning.cli.common import config_arguments, entry, from_json, positive
from subtuning.config import Task, load_config, parse_entry


def convert_arguments(parser: argparse.ArgumentParser) -> None:
    """`subtuning convert`"""
    parser.add_argument("--task", required=True, help="the task's name")
    parser.add_argument("--spec", type=from_json, metavar="JSON", help="the task's entry; the config's if not given")
    parser.add_argument("--workers", type=positive, default=1, help="images decoded at once (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: results/tasks/<task>")
    config_arguments(parser)


def convert(args: argparse.Namespace) -> None:
    """Write `{train,val,test}/images.npy`, `labels.npy` and `task.json`."""
    from subtuning.tasks import convert_task

    if args.spec is None:
        spec = entry(load_config(args.config), "tasks", args.task)
    else:
        spec = parse_entry(Task, args.spec, f"task {args.task}")
    convert_task(args.task, spec, args.out or args.results / "tasks" / args.task, workers=args.workers)


def spec_json(spec: object) -> str:
    """A task's entry as the text that `--spec` takes, without the recipe, which does not change the conversion."""
    return TypeAdapter(type(spec)).dump_json(spec, exclude={"recipe"}).decode()
