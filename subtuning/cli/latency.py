"""The verb that measures what a further task costs."""

import argparse
import sys
from pathlib import Path

from subtuning.cli.common import entry_name, measuring_device, timing_arguments
from subtuning.workspace.paths import Results, read_json


def latency_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--task", type=entry_name, required=True, help="whose profile and search say how good layers are"
    )
    parser.add_argument("--backbone", type=entry_name, required=True, help="a described backbone")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: %(default)s")
    timing_arguments(parser, seconds=60)
    parser.add_argument("--out", type=Path, metavar="FILE", help="CSV (default: results/<task>/<backbone>/latency.csv)")


def latency(args: argparse.Namespace) -> None:
    """Measure, print a table, and write it. Scores stand in it as far as the profile and the search are finished."""
    from subtuning.analysis.files import read_csv, write_csv
    from subtuning.benchmark.latency import choices, latencies
    from subtuning.tasks.task import read_facts

    results, folder = Results(args.results), args.results / args.task / args.backbone
    layers = read_json(results.layers(args.backbone), "subtuning describe")
    classes = len(read_facts(results.task(args.task))["classes"])
    profile = read_csv(folder / "profile.csv") if (folder / "profile.csv").exists() else None
    selected = read_json(folder / "selected.json", "") if (folder / "selected.json").exists() else None
    tried, device = choices(layers, profile, selected), measuring_device(args)
    table = latencies(layers, results.weights(args.backbone), tried, classes, args.batch_sizes, device, args.seconds)
    table["metric"] = "accuracy" if profile is None else profile["metric"].iloc[0]
    shown = table[["name", "batch_size", "added_ms", "low_ms", "high_ms", "n", "added_percent", "added_mb", "mean"]]
    print(shown.to_markdown(index=False, floatfmt=".4g"), file=sys.stderr)
    write_csv(table, args.out or folder / "latency.csv")
