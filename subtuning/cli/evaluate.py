"""The verb that makes test records, and the only one that the workflow makes them with."""

import argparse
from pathlib import Path

from subtuning.cli.common import Pair, device_arguments, from_json, pair_arguments, positive, read_json
from subtuning.errors import UserError
from subtuning.runs import Split
from subtuning.search.profile import best_layer, cv_splits, runs_of, subsets
from subtuning.tuning.subsets import FULL, Subset, canonical


def evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """`subtuning evaluate`"""
    pair_arguments(parser)
    parser.add_argument("--seeds", type=positive, required=True, metavar="N", help="seeds 0 to N-1")
    parser.add_argument(
        "--folds", type=positive, required=True, metavar="K", help="the profile's folds, for the best layer"
    )
    parser.add_argument(
        "--selected", type=Path, required=True, metavar="FILE", help="selected.json of the greedy search"
    )
    parser.add_argument(
        "--subsets", type=from_json, default={}, metavar="JSON", help="further subsets: {name: [layers]}"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    device_arguments(parser)


def evaluate(args: argparse.Namespace) -> None:
    """Retrain every method on train + val, test each run once at its last epoch, and write the comparison."""
    from subtuning.analysis.files import write_csv
    from subtuning.analysis.tables import evaluation_table

    pair = Pair(args)
    methods = _methods(pair, args)
    runs = {
        name: [
            run.with_seed(seed) for seed in range(args.seeds) for run in runs_of(pair.base, [subset], [Split("test")])
        ]
        for name, subset in methods.items()
    }
    pair.train(list(dict.fromkeys(run for group in runs.values() for run in group)), args)
    write_csv(
        evaluation_table({name: pair.store.require(group) for name, group in runs.items()}, pair.layers), args.out
    )


def _methods(pair: Pair, args: argparse.Namespace) -> dict[str, Subset]:
    names = [row["name"] for row in pair.layers["layers"]]
    profile = pair.store.require(runs_of(pair.base, subsets(pair.layers), cv_splits(args.folds)))
    best = best_layer(profile, pair.layers)
    if best is None:
        raise UserError(f"every layer of {'/'.join(pair.names)} diverged; lower recipe.lr")
    selected = read_json(args.selected, "subtuning greedy-path")["layers"]
    methods = {"linear": (), "best_layer": (best,), "greedy": canonical(selected, names), FULL: FULL}
    return methods | {name: canonical(layers, names) for name, layers in args.subsets.items()}
