"""The verb for trying a subset by hand."""

import argparse
import json
import sys
from pathlib import Path
from statistics import mean
from typing import Any

from subtuning.cli.backbone import spec_of, write_layers
from subtuning.cli.common import (
    Pair,
    config_arguments,
    device_arguments,
    entry,
    entry_name,
    from_json,
    positive,
)
from subtuning.config import load_config
from subtuning.runs import Split
from subtuning.search.profile import cv_splits, runs_of
from subtuning.tuning.subsets import canonical, title


def train_arguments(parser: argparse.ArgumentParser) -> None:
    """`subtuning train`"""
    parser.add_argument("--task", type=entry_name, required=True, help="name of a task in the config")
    parser.add_argument("--backbone", type=entry_name, required=True, help="name of a backbone in the config")
    parser.add_argument(
        "--layers",
        action="append",
        required=True,
        metavar="A,B",
        help="layers to train, comma-separated, or linear, or full; repeat it to compare several subsets",
    )
    parser.add_argument("--seeds", type=positive, default=1, metavar="N", help="seeds 0 to N-1 (default: %(default)s)")
    parser.add_argument(
        "--split",
        choices=["val", "cv", "test"],
        default="val",
        help="what scores: val (trained on train), cv (folds of train + val) or test (trained on train + val); choose "
        "nothing by its test score (default: %(default)s)",
    )
    parser.add_argument("--folds", type=positive, metavar="K", help="folds of --split cv (default: the config's)")
    parser.add_argument("--recipe", type=from_json, metavar="JSON", help="the whole recipe; the config's if not given")
    config_arguments(parser)
    device_arguments(parser)


def train(args: argparse.Namespace) -> None:
    """Train subsets and print their scores; what is not prepared yet is prepared first."""
    from tabulate import tabulate

    config = load_config(args.config)
    _prepare(config, args)
    pair = Pair(args)
    names = [row["name"] for row in pair.layers["layers"]]
    wanted = list(dict.fromkeys(canonical(layers, names) for layers in args.layers))
    splits = cv_splits(args.folds or config.profile.folds) if args.split == "cv" else [Split(args.split)]
    runs = [run.with_seed(seed) for seed in range(args.seeds) for run in runs_of(pair.base, wanted, splits)]
    records = dict(zip(runs, pair.train(runs, args), strict=True))
    rows = []
    for subset in wanted:
        found = [record for run, record in records.items() if run.subset == subset]
        scores = [record["metrics"]["accuracy"] for record in found if record["status"] == "done"]
        score = f"{100 * mean(scores):.2f}" if scores else "diverged"
        spread = f"{100 * min(scores):.2f} to {100 * max(scores):.2f}" if len(scores) > 1 else ""
        rows.append((title(subset), score, spread, len(scores), f"{found[0]['trainable_parameters']:,}"))
    print(
        tabulate(
            rows, ["layers", f"accuracy % ({args.split})", "range", "n", "trained parameters"], disable_numparse=True
        )
    )


def _prepare(config, args: argparse.Namespace) -> None:
    """Convert, fetch and describe, as the workflow's rules would, what was not prepared for the config as it is."""
    _prepare_task(args, entry(config, "tasks", args.task))
    _prepare_backbone(args, entry(config, "backbones", args.backbone))


def _prepare_task(args: argparse.Namespace, task) -> None:
    folder = args.results / "tasks" / args.task
    if _value(folder / "task.json", "source") == task.model_dump(mode="json", exclude={"recipe"}):
        return
    from subtuning.tasks import convert_task
    from subtuning.tasks.fetch import fetch_task

    if task.source == "vtab":
        fetch_task(task)
    convert_task(args.task, task, folder)


def _prepare_backbone(args: argparse.Namespace, backbone) -> None:
    folder = args.results / "backbones" / args.backbone
    now, before = spec_of(backbone), _value(folder / "layers.json", "spec") or {}
    if before == now:
        return
    weights = folder / "weights.safetensors"
    if not weights.exists() or any(before.get(key, "auto") != now[key] for key in ("model", "weights", "weights_key")):
        from subtuning.backbones.weights import fetch_weights

        if note := fetch_weights(backbone.model, backbone.weights, weights, backbone.weights_key):
            print(f"{backbone.weights}: {note}", file=sys.stderr)
    write_layers(backbone, args.backbone, folder)


def _value(file: Path, key: str) -> Any:
    """A value of a JSON file, None where there is no such file or value."""
    try:
        return json.loads(file.read_text(encoding="utf-8")).get(key)
    except (FileNotFoundError, ValueError):
        return None
