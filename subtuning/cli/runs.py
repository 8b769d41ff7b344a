"""The verb that lists finished runs."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator

from subtuning.analysis.records import COLUMNS, columns_of, layers_of
from subtuning.cli.common import config_arguments, print_table
from subtuning.workspace.paths import Results


def runs_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", help="only this task")
    parser.add_argument("--backbone", help="only this backbone")
    parser.add_argument("--split", choices=["cv", "val", "test", "all"], help="only runs scored so")
    parser.add_argument("--status", choices=["done", "diverged"], help="only these")
    parser.add_argument("--layers", metavar="A,B", help="only runs that train exactly these layers; linear, or full")
    parser.add_argument("--seed", type=int, metavar="N", help="only this seed")
    parser.add_argument("--id", default="", metavar="DIGITS", help="only ids that begin so")
    parser.add_argument(
        "--format",
        choices=["table", "csv", "json"],
        default="table",
        help="table for people, csv with more columns, json with whole records (default: %(default)s)",
    )
    config_arguments(parser)


def runs(args: argparse.Namespace) -> None:
    """List the finished runs in the store, those of other versions of the numbers too."""
    found = (record for record in Results(args.results).store if _wanted(record, args))
    {"table": _print_table, "csv": _print_csv, "json": _print_json}[args.format](found)


def _print_table(records: Iterator[dict]) -> None:
    rows = sorted((_line(record) for record in records), key=lambda row: row[1:6])
    headings = ["id", "task", "backbone", "layers", "split", "seed", "accuracy %", "seconds"]
    headings += ["precision", "device", "numbers"]
    print_table(rows, headings)


def _print_csv(records: Iterator[dict]) -> None:
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow(columns_of(record))


def _print_json(records: Iterator[dict]) -> None:
    """One array, a record a line, each printed when it is read."""
    separator = "["
    for record in records:
        print(separator, json.dumps(record), sep="\n")
        separator = ","
    print("[]" if separator == "[" else "]")


def _wanted(record: dict, args: argparse.Namespace) -> bool:
    identity = record["identity"]
    checks = (
        (args.task, record["names"]["task"]),
        (args.backbone, record["names"]["backbone"]),
        (args.split, identity["split"]),
        (args.status, record["status"]),
        (args.seed, identity["seed"]),
        (args.layers and _layers(args.layers), _layers(layers_of(record))),
    )
    return record["id"].startswith(args.id) and all(wanted in (None, found) for wanted, found in checks)


def _layers(words: str) -> frozenset[str]:
    """Layer names in any order, joined with commas or, as this verb prints them, with +."""
    return frozenset(word.strip() for word in words.replace("+", ",").split(","))


def _line(record: dict) -> tuple:
    identity = record["identity"]
    fold = "" if identity["fold"] is None else f" {identity['fold'] + 1}/{identity['folds']}"
    score = f"{100 * record['metrics']['accuracy']:.2f}" if record["metrics"] else record["status"]
    return (
        record["id"][:8],
        *record["names"].values(),
        layers_of(record),
        identity["split"] + fold,
        identity["seed"],
        score,
        f"{record['seconds']:.1f}",
        identity["recipe"]["precision"],
        record.get("device", ""),
        identity.get("numbers", "before 1"),
    )
