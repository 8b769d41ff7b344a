"""The plan of a whole config over a results folder, for `status` and `clean`. Nothing is trained or written here."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from subtuning.cli.backbone import spec_of
from subtuning.cli.common import read_json
from subtuning.config import Config, Recipe
from subtuning.errors import UserError
from subtuning.runs import Backbone, Run, Split
from subtuning.runs.precision import precisions
from subtuning.runs.snapshot import Snapshot
from subtuning.search.plan import Step, plan
from subtuning.search.profile import cv_splits, runs_of, subsets
from subtuning.tasks.task import read_facts


@dataclass
class PlannedPair:
    """One task and backbone of a config.

    Attributes:
        base: a run of this pair to make others from, None if the pair is not prepared for the config as it is.
        steps: the plan; empty if it is not prepared.
        counts: the numbers of images in the task's parts.
    """

    names: tuple[str, str]
    base: Run | None = None
    steps: dict[str, Step] | None = None
    counts: dict[str, int] | None = None


def planned_pairs(config: Config, results: Path, snapshot: Snapshot) -> Iterator[PlannedPair]:
    """Every task with every backbone, in the order of the config.

    A pair whose precision is `auto` comes once for each precision in which any of its profile is finished.
    """
    tasks = {name: _task(config, name, results) for name in config.tasks}
    backbones = {name: _layers(config, name, results) for name in config.backbones}
    recipes: dict[Recipe, Recipe] = {}  # equal recipes are one object, which is quick to compare
    for task, facts in tasks.items():
        for backbone, layers in backbones.items():
            if facts is None or layers is None:
                yield PlannedPair((task, backbone))
                continue
            recipe = config.recipe_of(task, backbone)
            recipe = recipes.setdefault(recipe, recipe)
            of = Backbone.of(layers)
            base = Run(facts["sha256"], Split("val"), of, (), recipe, names=(task, backbone))
            profile = runs_of(base, subsets(layers), cv_splits(config.profile.folds))
            for precision in precisions(profile, snapshot.get):
                settled = base.with_precision(precision)
                steps = plan(config, settled, layers, snapshot.get)
                yield PlannedPair((task, backbone), settled, steps, facts["counts"])


def _task(config: Config, name: str, results: Path) -> dict | None:
    """The content of `task.json`; None if it is missing or made for another config."""
    try:
        facts = read_facts(results / "tasks" / name)
    except UserError:
        return None
    now = json.loads(config.tasks[name].model_dump_json(exclude={"recipe"}))
    return facts if facts.get("source") == now else None


def _layers(config: Config, name: str, results: Path) -> dict | None:
    """The content of `layers.json`, likewise."""
    try:
        layers = read_json(results / "backbones" / name / "layers.json", "subtuning describe")
    except UserError:
        return None
    now = spec_of(config.backbones[name])
    return layers if isinstance(layers, dict) and layers.get("spec") == json.loads(json.dumps(now)) else None
