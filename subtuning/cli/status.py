"""Verbs that look at the store."""

import argparse
from collections.abc import Iterable
from statistics import mean

from subtuning.cli.common import Pair, config_arguments, read_json
from subtuning.config import Config, load_config
from subtuning.errors import UserError
from subtuning.runs import Run, Split, Store
from subtuning.search import greedy
from subtuning.search.profile import best_layer, cv_splits, runs_of, subsets
from subtuning.tuning.subsets import FULL, canonical, title


def status_arguments(parser: argparse.ArgumentParser) -> None:
    """`subtuning status`"""
    config_arguments(parser)


def status(args: argparse.Namespace) -> None:
    """Print for every task and backbone what is finished and what is missing, and the time that is left."""
    from tabulate import tabulate

    config = load_config(args.config)
    args.recipe = None
    rows = []
    for args.task in config.tasks:
        for args.backbone in config.backbones:
            rows += _pair_status(config, args)
    headings = ["task", "backbone", "step", "done", "missing", "interrupted", "diverged", "time left"]
    print(tabulate(rows, headings, disable_numparse=True, colalign=["left"] * 3 + ["right"] * 5))
    print("Time left: missing runs x the mean seconds of finished ones; an upper bound, since lanes run side by side.")


def _pair_status(config: Config, args: argparse.Namespace) -> list[tuple]:
    names = (args.task, args.backbone)
    try:
        pair = Pair(args)
    except UserError:
        return [(*names, "not prepared yet", "", "", "", "", "")]
    return [(*names, step, *_count(pair, runs)) for step, runs in _planned(config, pair).items()]


def _planned(config: Config, pair: Pair) -> dict[str, list[Run]]:
    """The runs of each step, as far as they are known: a greedy round is known once the one before it is chosen."""
    folds = cv_splits(config.profile.folds)
    planned = {"profile": runs_of(pair.base, subsets(pair.layers), folds)}
    if config.profile.test_seeds:
        test = runs_of(pair.base, subsets(pair.layers), [Split("test")])
        planned["profile on test"] = [run.with_seed(seed) for seed in range(config.profile.test_seeds) for run in test]
    splits = cv_splits(config.greedy.folds) if config.greedy.split == "cv" else [Split("val")]
    folder = pair.results.joinpath(*pair.names)
    for direction in {"linear": ["forward"], "full": ["backward"]}.get(config.greedy.start, ["forward", "backward"]):
        previous = None
        for number in range(1, config.greedy.max_rounds + 1):
            moves = greedy.before(pair.layers, direction, previous)[1]
            planned[f"greedy {direction} {number}"] = runs_of(pair.base, [subset for _, subset in moves], splits)
            file = folder / "greedy" / direction / f"round{number}.json"
            if not file.exists():
                break
            previous = read_json(file, "subtuning greedy-select")
    planned["evaluation"] = _evaluation(config, pair)
    return planned


def _evaluation(config: Config, pair: Pair) -> list[Run]:
    selected = pair.results.joinpath(*pair.names, "selected.json")
    names = [row["name"] for row in pair.layers["layers"]]
    wanted = [(), FULL, *(canonical(layers, names) for layers in config.subsets_of(pair.names[1]).values())]
    profile = [pair.store.get(run) for run in runs_of(pair.base, subsets(pair.layers), cv_splits(config.profile.folds))]
    if None not in profile and (best := best_layer(profile, pair.layers)):
        wanted.append((best,))
    if selected.exists():
        wanted.append(canonical(read_json(selected, "subtuning greedy-path")["layers"], names))
    runs = runs_of(pair.base, list(dict.fromkeys(wanted)), [Split("test")])
    return [run.with_seed(seed) for seed in range(config.evaluate.seeds) for run in runs]


def _count(pair: Pair, runs: list[Run]) -> tuple:
    records = [pair.store.get(run) for run in runs]
    missing = [run for run, record in zip(runs, records, strict=True) if record is None]
    finished = [record for record in records if record is not None]
    interrupted = sum((pair.results / "checkpoints" / f"{run.id}.pt").exists() for run in missing)
    diverged = sum(record["status"] == "diverged" for record in finished)
    left = (
        _time(len(missing) * mean(r["seconds"] for r in finished)) if finished and missing else "" if finished else "?"
    )
    return len(finished), len(missing), interrupted, diverged, left


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def runs_arguments(parser: argparse.ArgumentParser) -> None:
    """`subtuning runs`"""
    parser.add_argument("--task", help="only this task")
    parser.add_argument("--backbone", help="only this backbone")
    parser.add_argument("--split", choices=["cv", "val", "test"], help="only runs scored so")
    parser.add_argument("--status", choices=["done", "diverged"], help="only these")
    parser.add_argument("--id", default="", metavar="DIGITS", help="only ids that begin so")
    config_arguments(parser)


def runs(args: argparse.Namespace) -> None:
    """Print a line for every finished run in the store."""
    from tabulate import tabulate

    rows = [_line(record) for record in Store(args.results / "runs") if _wanted(record, args)]
    headings = ["id", "task", "backbone", "layers", "split", "seed", "accuracy %", "seconds", "code"]
    print(tabulate(sorted(rows, key=lambda row: row[1:6]), headings, disable_numparse=True))


def _wanted(record: dict, args: argparse.Namespace) -> bool:
    checks: Iterable[tuple] = (
        (args.task, record["names"]["task"]),
        (args.backbone, record["names"]["backbone"]),
        (args.split, record["identity"]["split"]),
        (args.status, record["status"]),
    )
    return record["id"].startswith(args.id) and all(wanted in (None, found) for wanted, found in checks)


def _line(record: dict) -> tuple:
    identity = record["identity"]
    fold = "" if identity["fold"] is None else f" {identity['fold'] + 1}/{identity['folds']}"
    subset = identity["subset"]
    score = f"{100 * record['metrics']['accuracy']:.2f}" if record["metrics"] else record["status"]
    layers = title(subset if isinstance(subset, str) else tuple(subset))
    return (
        record["id"][:8],
        *record["names"].values(),
        layers,
        identity["split"] + fold,
        identity["seed"],
        score,
        f"{record['seconds']:.1f}",
        identity["code"],
    )
