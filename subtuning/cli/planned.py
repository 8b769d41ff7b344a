"""The plan of a whole config over a results folder, for `status` and `clean`. Nothing is trained or written here."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from subtuning.config import Config, Recipe
from subtuning.runs import Backbone, Run, Split
from subtuning.runs.precision import precisions
from subtuning.runs.snapshot import Snapshot
from subtuning.search.plan import Step, plan
from subtuning.search.profile import cv_splits, runs_of, tunings
from subtuning.tuning.tuning import ONLY_HEAD
from subtuning.workspace.prepared import prepared_backbone, prepared_task


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
    tasks = {name: prepared_task(config, name, results) for name in config.tasks}
    backbones = {name: prepared_backbone(config, name, results) for name in config.backbones}
    recipes: dict[Recipe, Recipe] = {}  # equal recipes are one object, which is quick to compare
    for task, facts in tasks.items():
        for backbone, layers in backbones.items():
            if facts is None or layers is None:
                yield PlannedPair((task, backbone))
                continue
            recipe = config.recipe_of(task, backbone)
            recipe = recipes.setdefault(recipe, recipe)
            of = Backbone.of(layers)
            base = Run(facts["sha256"], Split("val"), of, ONLY_HEAD, recipe, names=(task, backbone))
            profile = runs_of(base, tunings(layers), cv_splits(config.profile.folds))
            for precision in precisions(profile, snapshot.get):
                settled = base.with_precision(precision)
                steps = plan(config, settled, layers, snapshot.get)
                yield PlannedPair((task, backbone), settled, steps, facts["counts"])
