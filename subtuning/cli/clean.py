"""The verb that removes what a results folder does not need, after showing it."""

import argparse
from pathlib import Path

from subtuning.cli.common import print_table
from subtuning.errors import UserError
from subtuning.runs.claims import running
from subtuning.workspace.clean import HARMLESS, TRAINED, find, remove, size, size_words
from subtuning.workspace.configs import configs_of


def clean_arguments(parser: argparse.ArgumentParser) -> None:
    lines = "; ".join(f"{name}: {words}" for name, words in (HARMLESS | TRAINED).items())
    parser.epilog = (
        f"KIND: {lines}. The last two took training, and --yes removes them only if --what names them. Nothing is "
        "removed without --yes, while a training is running here, or outside the results folder."
    )
    parser.add_argument(
        "--what",
        nargs="+",
        choices=[*HARMLESS, *TRAINED],
        metavar="KIND",
        help=f"only these: {', '.join([*HARMLESS, *TRAINED])}",
    )
    parser.add_argument("--yes", action="store_true", help="remove; without it, only show")
    parser.add_argument(
        "--config",
        action="append",
        metavar="FILE",
        help="what asks for runs; once for each config whose results are here (default: all that were used here)",
    )
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: %(default)s")


def clean(args: argparse.Namespace) -> None:
    """Show what could be removed and, with `--yes`, remove it."""
    alive = running(args.results)
    if alive and args.yes:
        raise UserError(f"a training is going on in {args.results} (runs: {len(alive)}); clean when it is over")
    configs, gone = configs_of(args.results, args.config)
    found = find(args.results, configs, alive)
    chosen = args.what or (list(HARMLESS) if args.yes else [*HARMLESS, *TRAINED])
    rows = [(kind, len(paths := found.paths[kind]), size_words(sum(map(size, paths)))) for kind in chosen]
    words = [(HARMLESS | TRAINED)[kind] + found.notes.get(kind, "") for kind in chosen]
    rows = [(*row, text) for row, text in zip(rows, words, strict=True)]
    print_table(rows, ["what", "entries", "size", ""], right=("entries", "size"))
    print(f"Wanted is what {' and '.join(configs)} ask{'s' * (len(configs) == 1)} for.")
    for path in gone:
        print(f"{path} has used this folder too and is gone; what only it asked for counts as unwanted.")
    for path in found.outside:
        print(f"left alone: {path} is a link or lies behind one")
    if args.yes:
        for kind in chosen:
            remove(found.paths[kind], args.results)
        print(f"Removed {sum(len(found.paths[kind]) for kind in chosen)} entries.")
    elif args.what:
        for kind in chosen:
            print(*found.paths[kind], sep="\n", end="\n" if found.paths[kind] else "")
        print(f"Nothing was removed. To remove these: subtuning clean --what {' '.join(args.what)} --yes")
    else:
        print(
            "Nothing was removed. To see what a kind is: subtuning clean --what KIND; to remove: subtuning clean --yes"
        )
        print(f"which spares {' and '.join(TRAINED)}: they took training, and are removed only when --what names them.")
