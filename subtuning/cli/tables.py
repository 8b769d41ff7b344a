"""Verbs that draw and gather."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtuning.errors import UserError
from subtuning.registry import find
from subtuning.workspace.paths import Results, read_json

if TYPE_CHECKING:
    from subtuning.analysis.tables import Item


def figures_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", required=True)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--layers", type=Path, required=True, metavar="FILE", help="layers.json")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="profile.csv")
    parser.add_argument("--profile-test", type=Path, metavar="FILE", help="profile_test.csv")
    parser.add_argument("--greedy", type=Path, metavar="FILE", help="greedy.csv; needs --profile")
    parser.add_argument("--greedy-split", choices=["cv", "val"], default="cv", help="what scored the candidates")
    parser.add_argument("--evaluation", type=Path, metavar="FILE", help="evaluation.csv")
    parser.add_argument("--experiment", type=Path, metavar="FILE", help="table of an experiment, named like it")
    parser.add_argument("--only", metavar="FIGURE", help="draw only this one of them, such as greedy")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the .svg and .png files go")


def figures(args: argparse.Namespace) -> None:
    """Draw a figure for each table that is given."""
    from subtuning.analysis import figures as draw
    from subtuning.analysis.files import read_csv

    layers = read_json(args.layers, "subtuning describe")
    names = (args.task, args.backbone)
    drawn = {}
    if args.profile:
        drawn["profile"] = draw.profile_figure(read_csv(args.profile), layers, *names)
    if args.profile_test:
        drawn["profile_test"] = draw.profile_figure(read_csv(args.profile_test), layers, *names, split="test")
    if args.greedy:
        if not args.profile:
            raise UserError("--greedy needs --profile, for the baselines")
        drawn["greedy"] = draw.greedy_figure(
            read_csv(args.greedy), read_csv(args.profile), *names, split=args.greedy_split
        )
    if args.evaluation:
        drawn["tradeoff"] = draw.tradeoff_figure(read_csv(args.evaluation), *names)
    if args.experiment:
        name = args.experiment.stem
        drawn[name] = find("figures", name).draw(read_csv(args.experiment), layers, *names)
    if args.only and args.only not in drawn:
        raise UserError(f"--only {args.only}: of what is given, {', '.join(drawn) or 'nothing'} is drawn")
    for name in [args.only] if args.only else drawn:
        draw.save(drawn[name], args.out / f"{name}.svg", args.out / f"{name}.png")


def profiles_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=["depths", "heat"], help="lines over depth, or a map of one backbone's layers")
    _pairs_arguments(parser)
    parser.add_argument("--out", type=Path, nargs="+", required=True, metavar="FILE", help=".svg, .png or both")


def profiles(args: argparse.Namespace) -> None:
    """Draw the profiles of several tasks and backbones in one picture."""
    from subtuning.analysis.figures import save
    from subtuning.analysis.figures.depths import Profiled, depths_figure
    from subtuning.analysis.figures.heat import heat_figure
    from subtuning.analysis.files import read_csv

    pairs = [(pair, *pair.split("/")) for pair in args.pairs]
    if args.kind == "heat" and len({backbone for *_, backbone in pairs}) > 1:
        raise UserError("heat takes the tasks of one backbone, whose layers are the columns")
    items = [Profiled(task, backbone, read_csv(args.results / pair / "profile.csv")) for pair, task, backbone in pairs]
    save((depths_figure if args.kind == "depths" else heat_figure)(items), *args.out)


def _pairs_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pairs", nargs="+", required=True, metavar="TASK/BACKBONE")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: %(default)s")


def tables_arguments(parser: argparse.ArgumentParser) -> None:
    _pairs_arguments(parser)
    parser.add_argument("--vtab", action="store_true", help="also write vtab.{csv,md,tex}, with VTAB's group means")
    parser.add_argument("--ranks", type=Path, metavar="DIR", help="also write ranks.{csv,md,tex}, and draw them here")
    parser.add_argument(
        "--sizes", type=Path, metavar="DIR", help="the same of sizes.{csv,md,tex}, of draws of one task"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")


def tables(args: argparse.Namespace) -> None:
    """Gather all tasks and backbones: every row, and a compact table as CSV, Markdown and LaTeX."""
    from subtuning.analysis.files import read_csv, write_csv
    from subtuning.analysis.pages.columns import OF_A_TASK
    from subtuning.analysis.paper import LATEX_COLUMNS, paper_notes, paper_table
    from subtuning.analysis.published import NOTES, published_table
    from subtuning.analysis.summary import combined_table, compact_table, precision_words, vtab_table, write_formats

    items = []
    for pair in args.pairs:
        folder = args.results / pair
        task, _, backbone = pair.partition("/")
        items.append((task, backbone, read_csv(folder / "evaluation.csv"), read_csv(folder / "profile.csv")))
    out = args.out
    write_csv(combined_table(items), out / "all.csv")
    notes = [*paper_notes(items), *_notes(facts := _facts(args))]
    write_formats(compact_table(items), out / "summary", notes, words={task: OF_A_TASK for task, *_ in items})
    write_formats(paper_table(items), out / "comparison", notes, LATEX_COLUMNS)
    if args.ranks:
        _ranks(items, args)
    if args.sizes:
        _sizes(items, facts, args)
    if args.vtab:
        write_formats(vtab_table(items, _vtab_groups(facts)), out / "vtab")
        write_formats(published_table(items, _vtab_names(facts), _models(args)), out / "published", NOTES)
    print((out / "summary.md").read_text(), precision_words(items), sep="\n")


def _ranks(items: "list[Item]", args: argparse.Namespace) -> None:
    """Mean ranks over all tasks and backbones; where there is no ground for them, the file says so."""
    from subtuning.analysis import LEAST_BLOCKS
    from subtuning.analysis.figures import save
    from subtuning.analysis.figures.ranks import ranks_figure
    from subtuning.analysis.files import write_csv
    from subtuning.analysis.ranks import rank_notes, ranks_table, ranks_words
    from subtuning.analysis.summary import write_formats

    table = ranks_table(items)
    none = [f"Ranks need {LEAST_BLOCKS} tasks x backbones and two methods that finished on all of them"]
    write_formats(ranks_words(table), args.out / "ranks", rank_notes(table) if len(table) else none)
    write_csv(table, args.out / "ranks.csv")
    save(ranks_figure(table), args.ranks / "ranks.svg", args.ranks / "ranks.png")


def _sizes(items: "list[Item]", facts: dict[str, Any], args: argparse.Namespace) -> None:
    """Tables and figure over the size of the training set, of tasks that are draws of one source."""
    from subtuning.analysis.figures import save
    from subtuning.analysis.figures.sizes import sizes_figure
    from subtuning.analysis.files import write_csv
    from subtuning.analysis.sizes import draws_of, layers_table, sizes_notes, sizes_table, sizes_words
    from subtuning.analysis.summary import write_formats

    draws = draws_of(facts)
    table, layers = sizes_table(items, draws), layers_table(items, draws)
    write_formats(sizes_words(table), args.out / "sizes", sizes_notes(table) if len(table) else [])
    write_csv(table, args.out / "sizes.csv")
    write_csv(layers, args.out / "sizes_layers.csv")
    save(sizes_figure(table, layers), args.sizes / "sizes.svg", args.sizes / "sizes.png")


def _notes(facts: dict[str, Any]) -> list[str]:
    """What a reader must know of each task's images."""
    from subtuning.tasks.copies import copy_sentences

    sentences = {name: [*found.get("warnings", []), *copy_sentences(found)] for name, found in facts.items()}
    return [f"{name}: {sentence}" for name, own in sentences.items() for sentence in own]


def _vtab_groups(facts: dict[str, Any]) -> dict[str, str]:
    """The VTAB group of each task that was converted from VTAB-1k."""
    from subtuning.tasks.vtab.registry import TASKS

    return {task: TASKS[name].group for task, name in _vtab_names(facts).items()}


def _vtab_names(facts: dict[str, Any]) -> dict[str, str]:
    """What each task that was converted from VTAB-1k, whole, is called there."""
    sources = {task: found["source"] for task, found in facts.items() if "train_images" not in found["source"]}
    return {task: source["name"] for task, source in sources.items() if source["source"] == "vtab"}


def _models(args: argparse.Namespace) -> dict[str, str]:
    """timm's name of each backbone that is described."""
    files = {name: Results(args.results).layers(name) for name in {pair.partition("/")[2] for pair in args.pairs}}
    return {name: read_json(file, "subtuning describe")["model"] for name, file in files.items() if file.exists()}


def _facts(args: argparse.Namespace) -> dict[str, Any]:
    """The content of each `task.json`; nothing of a task that is no longer there."""
    from subtuning.tasks.task import read_facts

    tasks = dict.fromkeys(pair.partition("/")[0] for pair in args.pairs)
    folders = {name: Results(args.results).task(name) for name in tasks}
    return {name: read_facts(folder) for name, folder in folders.items() if (folder / "task.json").exists()}
