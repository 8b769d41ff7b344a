"""Verbs of the finetuning profile."""

import argparse
import os
from pathlib import Path

from subtuning.cli.common import Pair, device_arguments, from_json, pair_arguments, positive, write_json
from subtuning.errors import UserError
from subtuning.runs import Run, Split
from subtuning.runs.precision import require_alike
from subtuning.search.profile import cv_splits, runs_of, shard, tunings
from subtuning.tuning.tuning import Tuning


def profile_arguments(parser: argparse.ArgumentParser) -> None:
    """`subtuning profile`"""
    _arguments(parser)
    parser.add_argument("--shard", type=int, default=0, metavar="I", help="which part of the layers, from 0")
    parser.add_argument("--shards", type=positive, default=1, metavar="N", help="into how many parts they are split")
    parser.add_argument(
        "--plan",
        type=from_json,
        default=os.environ.get("SUBTUNING_PLAN", "{}"),
        metavar="JSON",
        help="what later steps need, to be checked first: {folds: {key: K}, subsets: {backbone: {name: [layers]}}} "
        "(default: $SUBTUNING_PLAN)",
    )
    device_arguments(parser)


def profile(args: argparse.Namespace) -> None:
    """Train every layer alone, linear probing and full fine-tuning, and list the runs."""
    pair = Pair(args)
    _check_plan(pair, args.plan)
    wanted = shard(tunings(pair.layers), args.shard, args.shards)
    records = pair.train(profile_runs(pair, args, wanted), args)
    write_json(args.out, {"runs": [record["id"] for record in records]})


def _check_plan(pair: Pair, plan: dict) -> None:
    """Say now what would stop a later step: too few images for its folds, a layer that is not there."""
    for name, count in plan.get("folds", {}).items():
        try:
            pair.task.folds(count)
        except UserError as error:
            raise UserError(f"{name}, task {pair.names[0]!r}: {error}") from None
    names = [row["name"] for row in pair.layers["layers"]]
    for name, layers in plan.get("subsets", {}).get(pair.names[1], {}).items():
        try:
            Tuning.parse(layers, names)
        except UserError as error:
            raise UserError(f"subset {name!r}, backbone {pair.names[1]!r}: {error}") from None


def profile_table_arguments(parser: argparse.ArgumentParser) -> None:
    """`subtuning profile-table`"""
    _arguments(parser)


def profile_table(args: argparse.Namespace) -> None:
    """Write the profile as a table, one row a layer."""
    from subtuning.analysis.files import write_csv
    from subtuning.analysis.tables import profile_table as table_of

    pair = Pair(args)
    records = require_alike(pair.store, profile_runs(pair, args, tunings(pair.layers)))
    write_csv(table_of(records, pair.layers, test_set=args.test_seeds is not None), args.out)


def profile_runs(pair: Pair, args: argparse.Namespace, wanted: list) -> list[Run]:
    """The profile's runs: over folds of train + val, or, for the paper's picture, over seeds on the test set."""
    if args.test_seeds is None:
        return runs_of(pair.base, wanted, cv_splits(args.folds))
    return [
        run.with_seed(seed) for seed in range(args.test_seeds) for run in runs_of(pair.base, wanted, [Split("test")])
    ]


def _arguments(parser: argparse.ArgumentParser) -> None:
    pair_arguments(parser)
    parser.add_argument("--folds", type=positive, metavar="K", help="folds of the cross-validation")
    parser.add_argument(
        "--test-seeds", type=positive, metavar="N", help="instead of folds: seeds, scored on the test set"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.set_defaults(check=_check)


def _check(args: argparse.Namespace) -> None:
    if (args.folds is None) == (args.test_seeds is None):
        raise UserError("give either --folds or --test-seeds")
