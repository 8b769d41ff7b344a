"""The verb for trying a subset by hand."""

import argparse
from dataclasses import replace
from statistics import mean
from typing import Any

from subtuning.cli.common import (
    config_arguments,
    device_arguments,
    entry,
    entry_name,
    from_json,
    machine_of,
    pair_of,
    positive,
    print_table,
)
from subtuning.config import load_config, parse_entry
from subtuning.config.metrics import needs_probabilities
from subtuning.config.recipe import RecipeOverride
from subtuning.errors import UserError
from subtuning.runs import Run, Split
from subtuning.search.metrics import in_words, scored, scored_labels
from subtuning.search.scores import score_of
from subtuning.search.select import select
from subtuning.search.steps import settings_of
from subtuning.search.study import Study, cv_splits
from subtuning.workspace.pair import Pair
from subtuning.workspace.prepared import prepare_backbone, prepare_task
from subtuning.workspace.trainings import Trainings


def train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", type=entry_name, required=True, help="name of a task in the config")
    parser.add_argument("--backbone", type=entry_name, required=True, help="name of a backbone in the config")
    parser.add_argument(
        "--layers",
        action="append",
        required=True,
        metavar="A,B",
        help="layers to train, joined with commas, or linear, full, last 2; repeat it to compare several",
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
    parser.add_argument(
        "--recipe",
        type=from_json,
        metavar="JSON",
        help="values that replace those of the config's recipe: '{\"epochs\": 5}'",
    )
    config_arguments(parser)
    device_arguments(parser)


def train(args: argparse.Namespace) -> None:
    """Train subsets and print their scores; what is not prepared yet is prepared first."""
    config = load_config(args.config)
    for kind, prepare, name in (("tasks", prepare_task, args.task), ("backbones", prepare_backbone, args.backbone)):
        entry(config, kind, name)
        prepare(config, name, args.results)
    if args.recipe is not None:  # checked as what it is first, so that an error names --recipe
        parse_entry(RecipeOverride, args.recipe, "--recipe")
        args.recipe = config.recipe_of(args.task, args.backbone).model_dump() | args.recipe
    pair = pair_of(args)
    settings = settings_of(config, args.backbone)
    study = Study(settings, pair.base, pair.layers, lambda run: None)
    chosen = dict.fromkeys(select(layers, study) for layers in args.layers)
    wanted = [tuning for tuning in chosen if tuning]
    if len(wanted) < len(chosen):
        raise UserError("--layers: what best and greedy mean follows from other runs; name the layers")
    splits = cv_splits(args.folds or config.profile.folds) if args.split == "cv" else [Split(args.split)]
    machine = replace(machine_of(args), probabilities=needs_probabilities(settings, pair.task.multilabel))
    with Trainings(pair, machine) as trainings:
        runs = trainings.resolve(study.runs(wanted, splits, args.seeds))
        found = zip(runs, trainings.train(runs), strict=True)
        records = {run: _scored(record, run, config.search.metric, pair) for run, record in found}
    rows = []
    for tuning in wanted:
        own = [record for run, record in records.items() if run.tuning == tuning]
        scores = [score_of(record) for record in own if record["status"] == "done"]
        score = f"{100 * mean(scores):.2f}" if scores else "diverged"
        spread = f"{100 * min(scores):.2f} to {100 * max(scores):.2f}" if len(scores) > 1 else ""
        rows.append((str(tuning), score, spread, len(scores), f"{own[0]['trainable_parameters']:,}"))
    heading = f"{in_words(config.search.metric)} % ({args.split})"
    print_table(rows, ["layers", heading, "range", "n", "trained parameters"])


def _scored(record: dict[str, Any], run: Run, metric: str, pair: Pair) -> dict[str, Any]:
    """The record, scored by the config's metric."""
    if metric == "accuracy":
        return record
    return scored(record, metric, scored_labels(pair.task, run.split), pair.store.probabilities)
