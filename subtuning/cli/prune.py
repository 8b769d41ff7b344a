"""The verb that prunes a delivered model's branch."""

import argparse
from pathlib import Path

from subtuning.cli.common import measuring_device, positive, timing_arguments


def share(text: str) -> float:
    """A number between 0 and 1, both left out."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return value


def prune_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="the folder of a delivered model")
    parser.add_argument(
        "--fractions", type=share, nargs="+", default=[0.25, 0.5, 0.75], metavar="F", help="default: 0.25 0.5 0.75"
    )
    parser.add_argument("--epochs", type=positive, help="to train again (default: half of the recipe's)")
    parser.add_argument("--seeds", type=positive, default=3, help="trainings of each (default: %(default)s)")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="where its task is")
    timing_arguments(parser, seconds=20)
    parser.add_argument("--out", type=Path, metavar="DIR", help="the folder to write (default: `pruned` beside MODEL)")


def prune(args: argparse.Namespace) -> None:
    """Prune by each fraction, train again, measure; write a table, its figure, and the networks as torch.export's."""
    from subtuning.analysis.figures import save
    from subtuning.analysis.figures.pruning import pruning_figure
    from subtuning.analysis.files import write_csv
    from subtuning.benchmark.pruning import levels, pruning_table
    from subtuning.deploy.export import export_model, seen_of_task
    from subtuning.deploy.multitask import Delivered
    from subtuning.deploy.prune import require_torch_pruning
    from subtuning.workspace.delivery import task_of_model

    require_torch_pruning()
    device = measuring_device(args)
    delivered, task = Delivered(args.model), task_of_model(args.model, args.results)
    epochs = args.epochs or -(-delivered.identity["recipe"]["epochs"] // 2)
    out = args.out or args.model.parent / "pruned"
    found = levels(delivered, task, args.fractions, epochs, args.seeds, device)
    table = pruning_table(found, epochs, args.batch_sizes, device, args.seconds)
    write_csv(table, out / "pruned.csv")
    save(pruning_figure(table, task.name), out / "pruned.svg", out / "pruned.png")
    seen = seen_of_task(delivered.model, task)
    for level in found[1:]:
        delivered.model.network = level.pruned.whole(level.trained[0].lane)
        export_model(delivered.model, seen, "torch-export", out / f"{level.pruned.fraction:g}.pt2")
    shown = ["fraction", "batch_size", "parameters", "added_ms", "low_ms", "high_ms", "n", "before", "mean", "seeds"]
    print(table[shown].to_markdown(index=False, floatfmt=".4g"))
