"""Arguments and steps that several verbs share."""

import argparse
import contextlib
import json
import re
import sys
from pathlib import Path
from typing import Any, TextIO

from subtuning.config import Config, Recipe, load_config, parse_entry
from subtuning.config.values import NAME_PATTERN
from subtuning.errors import UserError, did_you_mean
from subtuning.runs import Backbone, Run, Split, Store
from subtuning.runs.precision import finished_alike, with_precision
from subtuning.tasks import Task, check_content, load_task
from subtuning.tuning.tuning import ONLY_HEAD
from subtuning.workspace.files import read_json, write_json
from subtuning.workspace.prepared import require_prepared

__all__ = ["read_json", "write_json"]  # as verbs know them


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


class Pair:
    """One task and backbone on disk: what training verbs work on."""

    def __init__(self, args: argparse.Namespace):
        self.results: Path = args.results
        self.names = (args.task, args.backbone)
        self.task: Task = load_task(self.results / "tasks" / args.task)
        self.layers = read_json(self.results / "backbones" / args.backbone / "layers.json", "subtuning describe")
        self.store = Store(self.results / "runs")
        self.recipe = recipe_of(args)

    @property
    def base(self) -> Run:
        """A run to make others from: linear probing, trained on train, scored on val."""
        backbone = Backbone.of(self.layers)
        return Run(self.task.sha256, Split("val"), backbone, ONLY_HEAD, self.recipe, names=self.names)

    def train(self, runs: list[Run], args: argparse.Namespace) -> list[dict[str, Any]]:
        """Train what is missing (torch is imported only then) and return all records."""
        done = finished_alike(runs, self.store)
        if done is None:
            from subtuning.cli.lease import gpu_lease

            with gpu_lease(args.device):
                done = self._train_missing(runs, args)
        else:
            self._say_finished(runs, len(runs))
        records = self.store.require(done)
        self._write_missing_scalars(done, records)
        return records

    def _say_finished(self, runs: list[Run], finished: int) -> None:
        print(f"{'/'.join(self.names)}: {len(runs)} runs, {finished} finished before", file=sys.stderr)

    def _write_missing_scalars(self, runs: list[Run], records: list[dict[str, Any]]) -> None:
        """Curves of runs that were finished just before a kill, or under another name, or whose folder was removed."""
        from subtuning.training.scalars import scalars_folder, write_scalars

        folder = self.results / "tensorboard"
        for run, record in zip(runs, records, strict=True):
            if not scalars_folder(run, folder).exists():
                write_scalars(record, run, folder)

    def _train_missing(self, runs: list[Run], args: argparse.Namespace) -> list[Run]:
        """The runs, in the precision of the device, when all of them are finished."""
        check_content(self.task.path)
        import torch

        from subtuning.training.checkpoints import Checkpoints
        from subtuning.training.device import choose_device
        from subtuning.training.interrupt import Interrupted
        from subtuning.training.runner import Workplace, train_missing
        from subtuning.training.scalars import write_scalars
        from subtuning.tuning.precision import resolve_precision

        if args.threads:
            torch.set_num_threads(args.threads)
        device = choose_device(args.device)
        runs = with_precision(runs, resolve_precision(self.recipe.precision, device))
        missing = self.store.missing(runs)
        self._say_finished(runs, len(runs) - len(missing))
        if superseded := self.store.superseded(missing):
            print(f"{superseded} of them were finished with numbers of another version; training anew", file=sys.stderr)
        place = Workplace(
            task=self.task,
            layers=self.layers,
            weights=self.results / "backbones" / self.names[1] / "weights.safetensors",
            store=self.store,
            checkpoints=Checkpoints(self.results / "checkpoints"),
            device=device,
            finished=lambda record, run: write_scalars(record, run, self.results / "tensorboard"),
            lanes=args.lanes,
        )
        with contextlib.redirect_stderr(_Heedless(sys.stderr)):
            try:
                train_missing(missing, place)
            except Interrupted as stop:
                print(f"{stop}; finished runs are kept, and the same command goes on from here", file=sys.stderr)
                sys.exit(128 + stop.signum)
        return runs


class _Heedless:
    """Standard error that may lose its reader: the signal that ends a training may end `tee` first, and the training
    must still save its state."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(BrokenPipeError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def recipe_of(args: argparse.Namespace) -> Recipe:
    """The recipe given as JSON, or else the config's for this task and backbone, which must be prepared as it says."""
    if args.recipe is not None:
        return parse_entry(Recipe, args.recipe, "--recipe")
    config = load_config(args.config)
    entry(config, "tasks", args.task), entry(config, "backbones", args.backbone)
    require_prepared(config, args.task, args.backbone, args.results)
    return config.recipe_of(args.task, args.backbone)
