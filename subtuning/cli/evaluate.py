"""Verbs that compare methods on the test set: the only ones of the workflow that make test records."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from subtuning.cli.common import Pair, device_arguments, from_json, pair_arguments, positive, read_json, write_json
from subtuning.errors import UserError
from subtuning.runs import Run, Split
from subtuning.runs.precision import require_alike
from subtuning.search.profile import best_layer, cv_splits, runs_of, tunings
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, Tuning


def evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """`subtuning evaluate`"""
    _arguments(parser)
    device_arguments(parser)


def evaluate(args: argparse.Namespace) -> None:
    """Retrain every method on train + val, test each run once at its last epoch, and list the runs."""
    pair = Pair(args)
    records = pair.train(_each_once(_methods(pair, args).values()), args)
    write_json(args.out, {"runs": [record["id"] for record in records]})


def evaluation_table_arguments(parser: argparse.ArgumentParser) -> None:
    """`subtuning evaluation-table`"""
    _arguments(parser)


def evaluation_table(args: argparse.Namespace) -> None:
    """Write the comparison of the methods, one row each."""
    from subtuning.analysis.files import write_csv
    from subtuning.analysis.tables import evaluation_table as table_of

    pair = Pair(args)
    methods = _methods(pair, args)
    runs = _each_once(methods.values())
    records = dict(zip(runs, require_alike(pair.store, runs), strict=True))
    write_csv(table_of({name: [records[run] for run in own] for name, own in methods.items()}, pair.layers), args.out)


def _methods(pair: Pair, args: argparse.Namespace) -> dict[str, list[Run]]:
    """The methods that are compared, each with its runs over the seeds, in the precision of the profile."""
    names = [row["name"] for row in pair.layers["layers"]]
    profile = require_alike(pair.store, runs_of(pair.base, tunings(pair.layers), cv_splits(args.folds)))
    best = best_layer(profile, pair.layers)
    if best is None:
        raise UserError(f"every layer of {'/'.join(pair.names)} diverged; lower recipe.lr")
    selected = read_json(args.selected, "subtuning greedy-path")["tuning"]
    methods = {"linear": ONLY_HEAD, "best_layer": Tuning((best,))}
    methods |= {"greedy": Tuning.parse(selected, names), "full": EVERYTHING}
    methods |= {name: Tuning.parse(layers, names) for name, layers in args.subsets.items()}
    base = pair.base.with_precision(profile[0]["identity"]["recipe"]["precision"]).with_split(Split("test"))
    return {
        name: [base.with_tuning(tuning).with_seed(seed) for seed in range(args.seeds)]
        for name, tuning in methods.items()
    }


def _each_once(groups: Iterable[list[Run]]) -> list[Run]:
    return list(dict.fromkeys(run for group in groups for run in group))


def _arguments(parser: argparse.ArgumentParser) -> None:
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
