"""Arguments that several verbs share."""

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from subtuning.config import Config, Recipe, load_config, parse_entry
from subtuning.config.values import NAME_PATTERN
from subtuning.errors import UserError, did_you_mean
from subtuning.workspace.pair import Pair
from subtuning.workspace.prepared import require_prepared
from subtuning.workspace.trainings import Machine


def pair_arguments(parser: argparse.ArgumentParser) -> None:
    """`--task`, `--backbone`, the recipe, and where results are."""
    parser.add_argument("--task", type=entry_name, required=True, help="name of a task in the config")
    parser.add_argument("--backbone", type=entry_name, required=True, help="name of a backbone in the config")
    parser.add_argument("--recipe", type=from_json, metavar="JSON", help="the whole recipe; the config's if not given")
    config_arguments(parser)


def config_arguments(parser: argparse.ArgumentParser) -> None:
    """`--config` and `--results`."""
    parser.add_argument("--config", default="config/config.yaml", metavar="FILE", help="default: %(default)s")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: %(default)s")


def device_arguments(parser: argparse.ArgumentParser) -> None:
    """What the training may use; none of it is part of a run's identity."""
    parser.add_argument(
        "--device", default="auto", help="auto or cuda (a free GPU), cpu, cuda:1 (default: %(default)s)"
    )
    parser.add_argument("--threads", type=positive, help="CPU threads (default: torch's choice)")
    parser.add_argument("--lanes", type=positive, help="runs trained together at most (default: as many as fit)")


def measuring_arguments(parser: argparse.ArgumentParser) -> None:
    """On what a verb measures."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1 (default: %(default)s)")
    parser.add_argument("--threads", type=positive, help="CPU threads (default: torch's choice)")


def timing_arguments(parser: argparse.ArgumentParser, seconds: int) -> None:
    """What is timed, on what, and for how long by default."""
    parser.add_argument(
        "--batch-sizes", type=positive, nargs="+", default=[1, 32], metavar="N", help="images at once (default: 1 32)"
    )
    parser.add_argument("--seconds", type=positive, default=seconds, help="for each batch size (default: %(default)s)")
    measuring_arguments(parser)


def measuring_device(args: argparse.Namespace) -> Any:
    """The torch device that the arguments name; torch then uses as many CPU threads as they say."""
    import torch

    from subtuning.training.device import choose_device

    if args.threads:
        torch.set_num_threads(args.threads)
    return choose_device(args.device)


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def entry_name(text: str) -> str:
    """The name of a task or backbone; it becomes a folder, so nothing that leads out of `results/`."""
    if not re.fullmatch(NAME_PATTERN, text) or ".." in text:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is no name; use 1 to 64 letters, digits, '_', '-' or '.'")
    return text


def from_json(text: str) -> Any:
    """A JSON value."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not valid JSON ({error})") from None
    except RecursionError:
        raise argparse.ArgumentTypeError("not valid JSON (nested too deeply)") from None


def entry(config: Config, kind: str, name: str) -> Any:
    """The config's entry of a task or backbone. Raises `UserError` with a suggestion."""
    known = getattr(config, kind)
    if name not in known:
        hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
        raise UserError(f"{kind}: there is no {name!r} in the config{hint}")
    return known[name]


def pair_of(args: argparse.Namespace) -> Pair:
    """The task and backbone that the arguments name."""
    return Pair(args.results, (args.task, args.backbone), recipe_of(args))


def machine_of(args: argparse.Namespace) -> Machine:
    """What the arguments let a training use."""
    return Machine(args.device, args.threads, args.lanes, getattr(args, "models", True))


def recipe_of(args: argparse.Namespace) -> Recipe:
    """The recipe given as JSON, or else the config's for this task and backbone, which must be prepared as it says."""
    if args.recipe is not None:
        return parse_entry(Recipe, args.recipe, "--recipe")
    config = load_config(args.config)
    entry(config, "tasks", args.task), entry(config, "backbones", args.backbone)
    require_prepared(config, args.task, args.backbone, args.results)
    return config.recipe_of(args.task, args.backbone)


def print_table(rows: Sequence, headings: list[str], right: Sequence[str] = (), style: str = "simple") -> None:
    """Print rows below their headings; the columns named in `right` are numbers, which stand to the right."""
    from tabulate import tabulate

    sides = ["right" if heading in right else "left" for heading in headings]
    print(tabulate(rows, headings, tablefmt=style, disable_numparse=True, colalign=sides if rows else None))
