"""The verb that shows how far everything is."""

import argparse

from subtuning.cli.common import config_arguments, print_table
from subtuning.config import load_config
from subtuning.workspace.configs import configs_of
from subtuning.workspace.progress import Progress
from subtuning.workspace.studies import snapshot_of, studies_of

HEADINGS = ["task", "backbone", "step", "done", "running", "missing", "interrupted", "diverged", "time left"]


def status_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "done: finished, diverged ones included. running: being trained by a living process. missing: not begun, or "
        "interrupted (its state is saved, and it goes on from there). 'up to': of a greedy round whose layers are not "
        "chosen yet. time left: what finished runs of the same kind took, one run after another; lanes and jobs side "
        "by side take less. unknown: nothing like it has been trained."
    )
    config_arguments(parser)
    parser.set_defaults(config=None)


def status(args: argparse.Namespace) -> None:
    """Print for every task and backbone what is done, running, missing and diverged, and the time that is left."""
    configs, gone = configs_of(args.results, None if args.config is None else [args.config])
    for file in configs:
        if len(configs) > 1:
            print(f"{file}:")
        config = load_config(file)
        snapshot = snapshot_of(config, args.results)
        pairs = list(studies_of(config, args.results, snapshot))
        view = Progress(snapshot, args.results, pairs)
        rows = [row for pair in pairs for row in view.rows(pair)]
        print_table(rows, HEADINGS, right=HEADINGS[3:])
        print(view.total(pairs), end="\n" if file == configs[-1] else "\n\n")
    for file in gone:
        print(f"{file} has used this folder too and is gone.")
