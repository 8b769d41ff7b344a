"""All studies of a config over a results folder, for `status` and `clean`. Nothing is trained or written here."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from subtuning.config import Config, Recipe
from subtuning.config.metrics import needs_probabilities
from subtuning.runs.precision import precisions
from subtuning.runs.store import Snapshot
from subtuning.search.steps import settings_of, step_named, steps_of
from subtuning.search.study import Study, Wanted
from subtuning.tasks import load_task
from subtuning.workspace.delivery import wanted_by
from subtuning.workspace.pair import base_run
from subtuning.workspace.paths import Results
from subtuning.workspace.prepared import prepared_backbone, prepared_task


@dataclass
class StudyState:
    """What a study asks for, as far as the finished runs tell.

    Attributes:
        study: None if its task or backbone is not prepared for the config as it is.
        wanted: the name of each step -> what it asks for; steps that ask for nothing are left out.
        counts: the numbers of images in the task's parts.
    """

    names: tuple[str, str]
    study: Study | None = None
    wanted: dict[str, Wanted] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether every run of every step is known and finished."""
        every = self.wanted.values()
        return not any(step.later for step in every) and all(
            self.study and self.study.records(step.runs) is not None for step in every
        )


def snapshot_of(config: Config, results: Path) -> Snapshot:
    """The finished runs as the studies of a config see them: a metric may need probabilities that some did not keep."""
    needed = needs_probabilities({"search.metric": config.search.metric}, multilabel=False)
    return Snapshot(Results(results).store.with_probabilities(needed))


def studies_of(config: Config, results: Path, snapshot: Snapshot) -> Iterator[StudyState]:
    """Every task with every backbone, in the order of the config.

    A pair whose precision is `auto` comes once for each precision in which any of its profile is finished.
    """
    tasks = {name: prepared_task(config, name, results) for name in config.tasks}
    backbones = {name: prepared_backbone(config, name, results) for name in config.backbones}
    recipes: dict[Recipe, Recipe] = {}  # equal recipes are one object, which is quick to compare
    for task, facts in tasks.items():
        for backbone, layers in backbones.items():
            if facts is None or layers is None:
                yield StudyState((task, backbone))
                continue
            recipe = config.recipe_of(task, backbone)
            base = base_run(facts["sha256"], layers, recipes.setdefault(recipe, recipe), (task, backbone))
            settings = settings_of(config, backbone)
            scored = None if settings["search.metric"] == "accuracy" else load_task(Results(results).task(task))
            profile = step_named("profile", settings).wanted(Study(settings, base, layers, lambda run: None)).runs
            for precision in precisions(profile, snapshot.get):
                about = (snapshot.get, scored, snapshot.store.probabilities, facts["counts"])
                study = Study(settings, base.with_precision(precision), layers, *about)
                wanted = {step.name: step.wanted(study) for step in steps_of(settings)}
                if config.delivers(task, backbone):
                    wanted["deliver"] = wanted_by(study, config.deliver)
                asked = {name: step for name, step in wanted.items() if step.runs or step.later}
                yield StudyState((task, backbone), study, asked, facts["counts"])
