"""Verbs of the model that one takes home: write it, ask it, publish it."""

import argparse
from pathlib import Path

from subtuning.cli.common import pair_arguments, pair_of
from subtuning.cli.steps import settings_argument, settings_from
from subtuning.config import load_config
from subtuning.errors import UserError


def deliver_arguments(parser: argparse.ArgumentParser) -> None:
    pair_arguments(parser)
    settings_argument(parser)
    parser.add_argument("--method", metavar="NAME", help="a row of the comparison (default: the config's)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="the folder to write (default: results/<task>/<backbone>/model)"
    )


def deliver(args: argparse.Namespace) -> None:
    """Write the model of a finished comparison; nothing is trained."""
    from subtuning.workspace.delivery import deliver_method

    method = args.method or load_config(args.config).deliver.method
    if method == "none":
        raise UserError("deliver.method is none, so nothing is delivered; name a row of the comparison with --method")
    out = args.out or args.results / args.task / args.backbone / "model"
    found = deliver_method(pair_of(args), settings_from(args), method, out)
    print(f"{out}: {method}; loaded by timm, {found.same} of {found.images} test images get the recorded class")
