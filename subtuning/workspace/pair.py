"""One task and one backbone on disk: what is known of them, and the studies that their finished runs tell of."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from subtuning.config import Recipe
from subtuning.config.metrics import metric_problem, needs_probabilities
from subtuning.errors import UserError
from subtuning.runs import Backbone, Run, Split, Store
from subtuning.runs.precision import finished_alike, require_alike
from subtuning.search.steps import step_named
from subtuning.search.study import Settings, Step, Study
from subtuning.tasks import Task, load_task
from subtuning.tuning.tuning import ONLY_HEAD
from subtuning.workspace.paths import Results, read_json


@dataclass(frozen=True)
class Pair:
    """A converted task and a described backbone, and the recipe that the config gives them."""

    results: Path
    names: tuple[str, str]
    recipe: Recipe

    @cached_property
    def task(self) -> Task:
        """The converted task."""
        return load_task(Results(self.results).task(self.names[0]))

    @cached_property
    def layers(self) -> dict[str, Any]:
        """The content of `layers.json`."""
        return read_json(Results(self.results).layers(self.names[1]), "subtuning describe")

    @property
    def store(self) -> Store:
        """Where all finished runs are."""
        return Results(self.results).store

    def store_for(self, settings: Settings) -> Store:
        """The store as a study with these settings reads it."""
        return self.store.with_probabilities(needs_probabilities(settings, self.task.multilabel))

    @property
    def base(self) -> Run:
        """A run to make others from: linear probing, trained on train, scored on val."""
        return base_run(self.task.sha256, self.layers, self.recipe, self.names)

    def study(self, step: Step, settings: Settings, resolve: Callable[[], str] | None = None) -> Study:
        """The study that a step belongs to, in one precision: that in which its first runs are finished.

        Args:
            resolve: tells the precision of this machine, for a step that comes first and is not finished; None if
                nothing is to be trained.

        Raises:
            UserError: the first runs are not finished, or not in one precision; or a metric that does not fit the task.
        """
        metric, store = settings["search.metric"], self.store_for(settings)
        if self.task.multilabel and (problem := metric_problem(metric)):
            raise UserError(f"task {self.names[0]}: {problem}")
        first = step_named("profile", settings) if step.after else step
        runs = first.wanted(Study(settings, self.base, self.layers, lambda run: None)).runs
        records = finished_alike(runs, store)
        if resolve and not step.after and records is None:
            precision = resolve()
        else:
            precision = (records or require_alike(store, runs))[0]["identity"]["recipe"]["precision"]
        base = self.base.with_precision(precision)
        return Study(settings, base, self.layers, store.get, self.task, store.probabilities, self.task.counts)


def base_run(task: str, layers: dict[str, Any], recipe: Recipe, names: tuple[str, str]) -> Run:
    """Linear probing, trained on train, scored on val; `task` is the sha256 of the converted task's content."""
    return Run(task, Split("val"), Backbone.of(layers), ONLY_HEAD, recipe, names=names)


def require_finished(study: Study, step: Step) -> None:
    """Raise `UserError` that names a step which must be finished before this one and is not."""
    for name in step.after:
        before = step_named(name, study.settings)
        require_finished(study, before)
        wanted = before.wanted(study)
        missing = [run for run in wanted.runs if study.get(run) is None]
        if missing or wanted.later:
            (task, backbone), count = study.base.names, len(missing) + len(wanted.later)
            raise UserError(
                f"{step.name} of {task}/{backbone} comes after {name}, of which {count} runs are not finished; train "
                f"them first: subtuning train-step {name} --task {task} --backbone {backbone}"
            )
