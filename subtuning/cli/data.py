"""Verbs about tasks."""

import argparse
import sys
from pathlib import Path
from typing import Any

from subtuning.cli.common import config_arguments, entry, entry_name, from_json, positive
from subtuning.config import TaskEntry, load_config, parse_entry
from subtuning.errors import UserError
from subtuning.workspace.paths import Results, write_json


def convert_arguments(parser: argparse.ArgumentParser) -> None:
    _arguments(parser)
    parser.add_argument("--workers", type=positive, default=1, help="images decoded at once (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: results/tasks/<task>")


def convert(args: argparse.Namespace) -> None:
    """Write `{train,val,test}/images.npy`, `labels.npy` and `task.json`."""
    from subtuning.tasks import convert_task

    spec, results = _spec(args), Results(args.results)
    base = results.task(spec.of) if spec.source == "corrupted" else None
    convert_task(args.task, spec, args.out or results.task(args.task), workers=args.workers, base=base)


def fetch_task_arguments(parser: argparse.ArgumentParser) -> None:
    _arguments(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to list the archives, as JSON")


def fetch_task(args: argparse.Namespace) -> None:
    """Fetch what is missing; archives that are there are used as they are."""
    from subtuning.tasks.fetch import fetch_task as fetch

    spec = _spec(args)
    if spec.source != "vtab":
        raise UserError(
            f"tasks.{args.task}: only tasks of source vtab are fetched, this one is of source {spec.source}"
        )
    files = [str(path) for path in fetch(spec)]
    if args.out:
        write_json(args.out, files)
    print("\n".join(files))


def download_arguments(parser: argparse.ArgumentParser) -> None:
    from subtuning.tasks.published import SETS

    parser.add_argument("name", choices=sorted(SETS), metavar="NAME", help=f"one of {', '.join(sorted(SETS))}")
    parser.add_argument("out", type=Path, metavar="FILE", help="the .npz file to write")
    parser.add_argument("--train", type=positive, metavar="N", help="training images, stratified (default: all)")
    parser.add_argument("--test", type=positive, metavar="N", help="test images, stratified (default: all)")
    parser.add_argument(
        "--images", type=Path, metavar="FILE", help="instead: a list of images, which are taken in its order"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("data/torchvision"),
        metavar="DIR",
        help="where the published files are put, or are already (default: %(default)s)",
    )


def download(args: argparse.Namespace) -> None:
    """Write the file, and print the entry of a task that reads it."""
    from subtuning.tasks.published import download

    if args.out.suffix != ".npz":
        raise UserError(f"{args.out} must be a file that ends with .npz")
    if args.images and (args.train or args.test):
        raise UserError("--images says which images are taken; leave out --train and --test")
    counts = download(args.name, args.out, args.folder, {"train": args.train, "test": args.test}, args.images)
    print(f"{args.out}: {counts['train']:,} training and {counts['test']:,} test images; in the config:")
    print(f"tasks:\n  {args.name}: {{source: arrays, path: {args.out}}}")


def verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tasks", type=entry_name, nargs="+", metavar="TASK", help="names of converted tasks")
    config_arguments(parser)


def verify(args: argparse.Namespace) -> None:
    """Print a line for every part of every task; the exit status is 1 if anything differs."""
    from subtuning.tasks.verify import verify_task

    good = True
    for name in args.tasks:
        for check in verify_task(Results(args.results).task(name)):
            good = good and check.good
            print(f"{name} {check.part}: {check.text}")
    if not good:
        sys.exit(1)


def export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", type=entry_name, help="name of a converted task")
    parser.add_argument("out", type=Path, metavar="DIR", help="folder to make; source: image_list reads it back")
    parser.add_argument("--workers", type=positive, default=1, help="images encoded at once (default: %(default)s)")
    config_arguments(parser)


def export(args: argparse.Namespace) -> None:
    """Write `images/<part>/*.png` and the lists train800.txt, val200.txt, train800val200.txt, test.txt."""
    from subtuning.tasks.export import export_task

    export_task(Results(args.results).task(args.task), args.out, workers=args.workers)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", type=entry_name, required=True, help="the task's name")
    parser.add_argument("--spec", type=from_json, metavar="JSON", help="the task's entry; the config's if not given")
    config_arguments(parser)


def _spec(args: argparse.Namespace) -> Any:
    if args.spec is None:
        return entry(load_config(args.config), "tasks", args.task)
    return parse_entry(TaskEntry, args.spec, f"task {args.task}")
