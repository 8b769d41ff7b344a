"""The verb that looks for what cannot work before anything is trained."""

import argparse

import numpy as np

from subtuning.cli.common import config_arguments, from_json, positive, read_json, write_json
from subtuning.errors import UserError
from subtuning.tasks import folds, load_task
from subtuning.tuning.subsets import canonical


def check_arguments(parser: argparse.ArgumentParser) -> None:
    """`subtuning check`"""
    parser.add_argument("--task", required=True, help="the task's name")
    parser.add_argument("--backbone", required=True, help="the backbone's name")
    parser.add_argument("--folds", type=positive, nargs="+", required=True, metavar="K", help="folds that are planned")
    parser.add_argument("--subsets", type=from_json, default={}, metavar="JSON", help="named subsets: {name: [layers]}")
    config_arguments(parser)


def check(args: argparse.Namespace) -> None:
    """Whether the task has enough images for the folds, and the backbone all layers of the named subsets."""
    task = load_task(args.results / "tasks" / args.task)
    labels = np.concatenate([task.part(part)[1] for part in ("train", "val")])
    for count in args.folds:
        try:
            folds(labels, count)
        except UserError as error:
            raise UserError(f"folds: {count}, task {args.task!r}: {error}") from None
    found = read_json(args.results / "backbones" / args.backbone / "layers.json", "subtuning describe")
    names = [row["name"] for row in found["layers"]]
    for name, layers in args.subsets.items():
        try:
            canonical(layers, names)
        except UserError as error:
            raise UserError(f"subset {name!r}, backbone {args.backbone!r}: {error}") from None
    plan = {"folds": args.folds, "subsets": args.subsets}
    write_json(args.results / args.task / args.backbone / "checked.json", plan)
