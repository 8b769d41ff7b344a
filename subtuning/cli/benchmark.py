"""The verb that measures speed, and how often rules err."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from subtuning.cli.common import entry_name, measuring_arguments, measuring_device, positive
from subtuning.config import load_config
from subtuning.errors import UserError

KINDS = (
    "lanes",
    "conventional",
    "overhead",
    "kernels",
    "scaling",
    "memory",
    "precision",
    "start",
    "effort",
    "choices",
    "dropping",
    "phases",
    "lr-grid",
    "graphs",
    "streaming",
    "launches",
    "agreement",
    "fused",
    "compile",
    "all",
    "stopping",
    "coverage",
)


def benchmark_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=KINDS, help="what is compared: docs/performance.md, stopping.md, statistics.md")
    parser.add_argument("--model", default="tf_efficientnet_lite0", help="timm model (default: %(default)s)")
    parser.add_argument("--input-size", type=positive, default=96, metavar="PIXELS", help="default: %(default)s")
    parser.add_argument("--batch-size", type=positive, default=64, help="default: %(default)s")
    parser.add_argument("--images", type=positive, default=1000, help="training images (default: %(default)s)")
    parser.add_argument("--weights", metavar="PACKAGE", help="package with weights (default: random, for speed alone)")
    parser.add_argument("--data", type=Path, metavar="FILE", help=".npz with x_train, y_train, x_test, y_test")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16", "fp16"])
    parser.add_argument("--epochs", type=positive, default=2, help="of `conventional`, `lr-grid`")
    parser.add_argument("--singles", type=positive, default=3, help="runs of `conventional` (default: %(default)s)")
    parser.add_argument("--repeats", type=positive, default=5, help="measurements (default: %(default)s)")
    parser.add_argument(
        "--searches", type=positive, default=50, help="of each kind, of `stopping` (default: %(default)s)"
    )
    parser.add_argument("--draws", type=positive, default=400, help="of `coverage`, a design (default: %(default)s)")
    parser.add_argument(
        "--config",
        default="config/config.yaml",
        help="of `start`, `effort`, `choices`, `phases` (default: %(default)s)",
    )
    parser.add_argument("--vtab-config", default="config/vtab1k.yaml", help="of `start` (default: %(default)s)")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--step", default="profile", help="of `phases`: a finished one (default: %(default)s)")
    parser.add_argument("--task", type=entry_name, metavar="NAME", help="of `phases` (default: the config's first)")
    parser.add_argument("--backbone", type=entry_name, metavar="NAME", help="of `phases` (default: the config's first)")
    measuring_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="CSV to write; of `all` a folder of them and a page")
    parser.add_argument("--minutes", type=positive, default=10, help="of `all`: none is begun later (default: 10)")


def benchmark(args: argparse.Namespace) -> None:
    """Measure, print a table, and write it."""
    import pandas as pd

    if args.kind == "start":
        from subtuning.benchmark.start import idle

        rows = idle(args.config, args.vtab_config, args.repeats)
    elif args.kind in ("effort", "choices"):
        rows = _choices(args)
    elif args.kind == "phases":
        rows = _phases(args)
    elif args.kind == "dropping":
        from subtuning.benchmark.dropping import simulate as simulate_races

        rows = simulate_races(args.searches)
    elif args.kind == "stopping":
        from subtuning.benchmark.stopping import simulate

        rows = simulate(args.searches)
    elif args.kind == "coverage":
        from subtuning.benchmark.coverage import coverages, designs

        rows = coverages(designs(), args.draws)
    elif args.kind == "all":
        _page(args)
        return
    else:
        rows = [_about(args) | row for row in _measurements(args)[args.kind]()]
    table = pd.DataFrame(rows)
    print(table.to_markdown(index=False), file=sys.stderr)
    if args.out:
        from subtuning.analysis.files import write_csv

        write_csv(table, args.out)


def _choices(args: argparse.Namespace) -> list[dict[str, Any]]:
    """What a fast search chooses, on the records of every finished full search of the config."""
    from subtuning.benchmark.effort import choices, searches, summary
    from subtuning.workspace.studies import snapshot_of, studies_of

    config = load_config(args.config)
    states = studies_of(config, args.results, snapshot_of(config, args.results))
    found = [row for state in states if state.study for full in searches(state.study) for row in choices(full)]
    if not found:
        raise UserError(f"{args.results} has no finished full search of {args.config}; run one with search.effort full")
    return summary(found) if args.kind == "effort" else found


def _phases(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Where the time of a finished step's job goes, trained again in a copy of the results."""
    from subtuning.benchmark.phases import phases
    from subtuning.search.steps import settings_of
    from subtuning.workspace.pair import Pair
    from subtuning.workspace.trainings import Machine

    config = load_config(args.config)
    names = (args.task or next(iter(config.tasks)), args.backbone or next(iter(config.backbones)))
    if names[0] not in config.tasks or names[1] not in config.backbones:
        raise UserError(f"{args.config} has no pair {'/'.join(names)}")
    pair, settings = Pair(args.results, names, config.recipe_of(*names)), settings_of(config, names[1])
    return phases(pair, args.step, settings, Machine(args.device, args.threads), args.repeats)


def _about(args: argparse.Namespace) -> dict[str, Any]:
    return {"model": args.model, "input_size": args.input_size, "batch_size": args.batch_size}


def _page(args: argparse.Namespace) -> None:
    """All that one device can show in minutes, the most wanted first."""
    from subtuning.benchmark.page import measure_all
    from subtuning.training.device import choose_device

    known, wanted = _measurements(args), ("lanes", "graphs", "launches", "overhead", "precision", "memory", "streaming")
    later = ("agreement", "fused", "compile", "conventional", "lr-grid", "scaling")
    kinds = {kind: known[kind] for kind in (*wanted, *later)}
    about = f"{args.model}, {args.input_size} pixels, batches of {args.batch_size}"
    folder = args.out or args.results / "benchmarks" / "speed" / "all"
    print(measure_all(kinds, args.minutes, folder, about, choose_device(args.device)))


def _measurements(args: argparse.Namespace) -> dict[str, Callable[[], list[dict[str, Any]]]]:
    from subtuning.benchmark import agreement, alternatives, conventional, kernels, lanes, launches, scaling, streaming
    from subtuning.benchmark.job import Job
    from subtuning.training.device import make_repeatable

    make_repeatable()
    words = {key: getattr(args, key) for key in ("images", "precision", "weights", "data")}
    job = Job(args.model, args.input_size, args.batch_size, measuring_device(args), **words)

    def all_scaling() -> list[dict[str, Any]]:
        kinds = (scaling.by_lanes, scaling.by_images, scaling.by_layer, scaling.scoring)
        return [row for kind in kinds for row in kind(job, args.repeats)]

    return {
        "lanes": lambda: lanes.lanes_against_single(job, args.repeats),
        "conventional": lambda: conventional.against_conventional(job, args.epochs, args.singles),
        "overhead": lambda: lanes.overhead(job, args.repeats),
        "kernels": lambda: kernels.against_kernels(job, args.repeats),
        "scaling": all_scaling,
        "memory": lambda: scaling.memory_against_plan(job),
        "precision": lambda: scaling.by_precision(job, args.repeats),
        "graphs": lambda: scaling.by_graphs(job, args.repeats),
        "streaming": lambda: streaming.by_images(job, args.repeats),
        "launches": lambda: launches.by_step(job),
        "agreement": lambda: agreement.against_a_processor(job),
        "fused": lambda: alternatives.by_fusing(job, args.repeats),
        "compile": lambda: alternatives.by_compiling(job, args.repeats),
        "lr-grid": lambda: lanes.lr_grid(job, args.epochs, args.repeats),
    }
