"""Verbs that say what was found: in words, and in the images that the found model gets wrong."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtuning.cli.common import config_arguments, entry, entry_name, from_json
from subtuning.config import Recipe, load_config, parse_entry
from subtuning.errors import UserError
from subtuning.search.steps import settings_of
from subtuning.workspace.pair import Pair
from subtuning.workspace.paths import Results, read_json
from subtuning.workspace.prepared import require_prepared

if TYPE_CHECKING:
    from subtuning.analysis.answer.known import Known

TABLES = ("evaluation", "profile", "greedy")


def answer_arguments(parser: argparse.ArgumentParser) -> None:
    _arguments(parser)
    parser.add_argument("--command", default="snakemake --cores all", help="what to give again (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write answer.md, and pages of it and of the tables, here"
    )


def answer(args: argparse.Namespace) -> None:
    """Print the answer of each task and backbone that is asked for, or write it."""
    from subtuning.analysis.answer.text import answer, as_html, as_markdown, as_text
    from subtuning.analysis.pages.table import table_page
    from subtuning.runs.store import write_atomically

    for pair, settings in _pairs(args):
        known = _known(pair, settings, args)
        found = answer(known)
        if args.out is None:
            print(as_text(found))
            continue
        write_atomically(args.out / "answer.md", as_markdown(found))
        write_atomically(args.out / "answer.html", as_html(found))
        for name in TABLES:
            page = table_page(getattr(known, name), f"{name.capitalize()} of {'/'.join(pair.names)}")
            write_atomically(args.out / f"{name}.html", page)


def errors_arguments(parser: argparse.ArgumentParser) -> None:
    _arguments(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="where figures go, as .svg and .png")
    parser.add_argument("--tables", type=Path, metavar="DIR", required=True, help="for classes.csv and mistakes.csv")


def errors(args: argparse.Namespace) -> None:
    """Draw and list what the chosen layers get wrong; nothing is trained."""
    from subtuning.analysis.figures import save
    from subtuning.analysis.files import write_csv
    from subtuning.workspace.errors import Errors

    for pair, settings in _pairs(args):
        found = Errors(pair, settings)
        write_csv(found.classes, args.tables / "classes.csv")
        write_csv(found.mistakes(), args.tables / "mistakes.csv")
        for name, figure in found.figures().items():
            save(figure, args.out / f"{name}.svg", args.out / f"{name}.png")


def _known(pair: Pair, settings: dict[str, Any], args: argparse.Namespace) -> "Known":
    from subtuning.analysis.answer.known import Known
    from subtuning.analysis.files import read_csv
    from subtuning.tasks.task import read_facts

    folder = pair.results / "/".join(pair.names)
    for name in TABLES:
        if not (folder / f"{name}.csv").exists():
            raise UserError(f"{folder / name}.csv is missing, so there is no answer yet; make it with: {args.command}")
    return Known(
        pair.names,
        **{name: read_csv(folder / f"{name}.csv") for name in TABLES},
        selected=read_json(folder / "selected.json", args.command),
        layers=pair.layers,
        facts=read_facts(Results(pair.results).task(pair.names[0])),
        epochs=pair.recipe.epochs,
        search_seeds=settings["search.seeds"],
        command=args.command,
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", type=entry_name, help="name of a task in the config (default: all)")
    parser.add_argument("--backbone", type=entry_name, help="name of a backbone in the config (default: all)")
    parser.add_argument("--recipe", type=from_json, metavar="JSON", help="the whole recipe; the config's if not given")
    parser.add_argument("--settings", type=from_json, metavar="JSON", help="what all steps read of the config, by key")
    config_arguments(parser)


def _pairs(args: argparse.Namespace) -> list[tuple[Pair, dict[str, Any]]]:
    """Each task and backbone that is asked for, and what the config says of its study."""
    if args.recipe is not None and args.settings is not None and args.task and args.backbone:
        recipe = parse_entry(Recipe, args.recipe, "--recipe")
        return [(Pair(args.results, (args.task, args.backbone), recipe), args.settings)]
    config = load_config(args.config)
    for kind, name in (("tasks", args.task), ("backbones", args.backbone)):
        if name:
            entry(config, kind, name)
    names = [
        (task, backbone)
        for task in ([args.task] if args.task else config.tasks)
        for backbone in ([args.backbone] if args.backbone else config.backbones)
    ]
    if args.out and len(names) > 1:
        raise UserError("--out takes one answer; name its --task and --backbone")
    for pair in names:
        require_prepared(config, *pair, args.results)
    return [(Pair(args.results, pair, config.recipe_of(*pair)), settings_of(config, pair[1])) for pair in names]
