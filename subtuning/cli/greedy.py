"""Verbs of Greedy-SubTuning."""

import argparse
from pathlib import Path

from subtuning.cli.common import Pair, device_arguments, pair_arguments, positive, read_json, write_json
from subtuning.runs import Run, Split
from subtuning.runs.precision import require_alike
from subtuning.search import greedy, racing
from subtuning.search.profile import cv_splits, runs_of, shard
from subtuning.tuning.tuning import Tuning


def greedy_train_arguments(parser: argparse.ArgumentParser) -> None:
    """`subtuning greedy-train`"""
    _round_arguments(parser)
    parser.add_argument("--shard", type=int, default=0, metavar="I", help="which part of the candidates, from 0")
    parser.add_argument("--shards", type=positive, default=1, metavar="N", help="into how many parts they are split")
    parser.add_argument("--racing", action="store_true", help="drop candidates that can hardly overtake the leader")
    device_arguments(parser)


def greedy_train(args: argparse.Namespace) -> None:
    """Train the candidates of one round; after the stop there are none."""
    pair = Pair(args)
    previous = _previous(args)
    mine = shard(_wanted(pair, args.direction, previous), args.shard, args.shards)
    base = _base(pair, previous)
    if args.racing and previous is not None:
        records = _race(pair, base, mine, args)
    else:
        records = pair.train(runs_of(base, mine, _splits(args)), args)
    write_json(args.out, {"runs": [record["id"] for record in records]})


def _wanted(pair: Pair, direction: str, previous: dict | None) -> list[Tuning]:
    """What a round needs: its candidates and, in the first one, what they are compared with."""
    start, moves = greedy.before(pair.layers, direction, previous)
    return ([start] if previous is None else []) + [tuning for _, tuning in moves]


def _base(pair: Pair, previous: dict | None) -> Run:
    """A run to make others from: later rounds have the precision of the first."""
    return pair.base.with_precision(previous["precision"]) if previous else pair.base


def _race(pair: Pair, base: Run, candidates: list[Tuning], args: argparse.Namespace) -> list[dict]:
    """Train the candidates fold by fold, each time only those still in the race; the records of all trained runs."""
    splits = _splits(args)
    found, _ = racing.race(
        candidates, len(splits), lambda alive, fold: pair.train(runs_of(base, alive, [splits[fold]]), args)
    )
    return [record for records in found.values() for record in records]


def greedy_select_arguments(parser: argparse.ArgumentParser) -> None:
    """`subtuning greedy-select`"""
    _round_arguments(parser)
    parser.add_argument(
        "--trained",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="what greedy-train --racing wrote: only these runs are needed",
    )


def greedy_select(args: argparse.Namespace) -> None:
    """Choose the best candidate of a round from the store."""
    pair, previous = Pair(args), _previous(args)
    trained = {run for path in args.trained for run in read_json(path, "subtuning greedy-train")["runs"]}
    runs = runs_of(_base(pair, previous), _wanted(pair, args.direction, previous), _splits(args))
    runs = [run for run in runs if not trained or run.id in trained]
    records: dict[Tuning, list] = {}
    for run, record in zip(runs, require_alike(pair.store, runs), strict=True):
        records.setdefault(run.tuning, []).append(record)
    write_json(args.out, greedy.play(pair.layers, args.direction, previous, records.__getitem__, args.split))


def greedy_path_arguments(parser: argparse.ArgumentParser) -> None:
    """`subtuning greedy-path`"""
    parser.add_argument(
        "--rounds", type=Path, nargs="+", required=True, metavar="FILE", help="round files of all directions"
    )
    parser.add_argument("--epsilon", type=float, required=True, help="least gain in accuracy (0-1) of a round")
    parser.add_argument("--table", type=Path, required=True, metavar="FILE", help="greedy.csv to write")
    parser.add_argument("--selected", type=Path, required=True, metavar="FILE", help="selected.json to write")


def greedy_path(args: argparse.Namespace) -> None:
    """Apply epsilon to the rounds, write the table of all candidates and the final subset."""
    from subtuning.analysis.files import write_csv
    from subtuning.analysis.tables import greedy_table

    chains: dict[str, list] = {}
    for path in args.rounds:
        this = read_json(path, "subtuning greedy-select")
        chains.setdefault(this["direction"], []).append(this)
    selected = greedy.select(chains, args.epsilon)
    stopped = [this for rounds in chains.values() for this in greedy.stop_at(rounds, args.epsilon)]
    write_csv(greedy_table(stopped, selected["direction"]), args.table)
    write_json(args.selected, selected)


def _round_arguments(parser: argparse.ArgumentParser) -> None:
    pair_arguments(parser)
    parser.add_argument("--direction", choices=["forward", "backward"], required=True)
    parser.add_argument("--split", choices=["cv", "val"], default="cv", help="what scores a candidate")
    parser.add_argument("--folds", type=positive, required=True, metavar="K", help="folds of the cross-validation")
    parser.add_argument("--previous", type=Path, metavar="FILE", help="the round before; none for the first")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")


def _previous(args: argparse.Namespace) -> dict | None:
    return read_json(args.previous, "subtuning greedy-select") if args.previous else None


def _splits(args: argparse.Namespace) -> list[Split]:
    return cv_splits(args.folds) if args.split == "cv" else [Split("val")]
