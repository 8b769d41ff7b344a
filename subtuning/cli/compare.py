"""The verb that says in a sentence whether one method is better than another."""

import argparse
from collections.abc import Sequence

from subtuning.analysis.compare import Method, comparison_sentence
from subtuning.cli.common import config_arguments, entry, entry_name
from subtuning.config import Config, load_config
from subtuning.errors import UserError, did_you_mean
from subtuning.search.experiments.evaluation import runs_of
from subtuning.search.methods import methods
from subtuning.search.steps import settings_of, step_named
from subtuning.workspace.pair import Pair
from subtuning.workspace.prepared import require_prepared


def compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A", help="a method of the evaluation, or TASK/BACKBONE/METHOD")
    parser.add_argument("second", metavar="B", help="another, on the same task")
    parser.add_argument("--task", type=entry_name, help="of methods without one (default: the config's, if it has one)")
    parser.add_argument("--backbone", type=entry_name, help="likewise")
    config_arguments(parser)


def compare(args: argparse.Namespace) -> None:
    """Print the difference of two methods on the test set, how sure it is, and whether that carries a claim."""
    config = load_config(args.config)
    places = [_place(config, words, args) for words in (args.first, args.second)]
    if places[0][0] != places[1][0]:
        raise UserError(f"methods are compared on the same images, not on {places[0][0]} and {places[1][0]}")
    (first, pair), (second, _) = (_method(config, place, args) for place in places)
    print(comparison_sentence(first, second, pair.task.part("test")[1]))


def _place(config: Config, words: str, args: argparse.Namespace) -> tuple[str, str, str]:
    """Task, backbone and method."""
    *given, method = words.split("/")
    if len(given) not in (0, 2):
        raise UserError(f"{words!r} names no method; write METHOD, or TASK/BACKBONE/METHOD")
    task, backbone = given or [_only(config, "tasks", args.task), _only(config, "backbones", args.backbone)]
    entry(config, "tasks", task), entry(config, "backbones", backbone)
    return task, backbone, method


def _only(config: Config, kind: str, name: str | None) -> str:
    known: Sequence[str] = list(getattr(config, kind))
    if name is None and len(known) > 1:
        flag = f"--{kind.removesuffix('s')}"
        raise UserError(f"{flag} is missing: the config has several {kind} ({', '.join(known)})")
    return known[0] if name is None else name


def _method(config: Config, place: tuple[str, str, str], args: argparse.Namespace) -> tuple[Method, Pair]:
    """A method's finished runs, and their pair."""
    task, backbone, name = place
    require_prepared(config, task, backbone, args.results)
    pair = Pair(args.results, (task, backbone), config.recipe_of(task, backbone))
    settings = settings_of(config, backbone)
    study = pair.study(step_named("evaluation", settings), settings)
    if name not in (known := methods(settings)):
        hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
        raise UserError(f"{task}/{backbone} has no method {name!r}{hint}")
    runs = runs_of(study, name)
    if runs is None:
        raise UserError(f"how {name} is trained on {task}/{backbone} is not known yet; train what chooses that first")
    return Method("/".join(place), study.require(runs)), pair
