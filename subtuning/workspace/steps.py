"""One step of a pair's study: train what it asks for, work out what it concludes."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from subtuning.config.metrics import needs_probabilities
from subtuning.errors import UserError
from subtuning.registry import find
from subtuning.runs import Run
from subtuning.search.steps import step_named
from subtuning.search.study import Settings, share
from subtuning.workspace.pair import Pair, require_finished
from subtuning.workspace.trainings import Machine, Trainings

if TYPE_CHECKING:
    import pandas as pd


def train_step(
    pair: Pair, name: str, settings: Settings, machine: Machine, shard: int = 0, shards: int = 1
) -> list[dict[str, Any]]:
    """Train what a step asks for until it asks for nothing more (a race asks fold by fold); the records of its runs.

    Raises:
        UserError: a step before it is not finished, or its runs will never be known.
    """
    step = step_named(name, settings)
    trained: dict[Run, dict[str, Any]] = {}
    machine = replace(machine, probabilities=needs_probabilities(settings, pair.task.multilabel))
    with Trainings(pair, machine, name) as trainings:
        study = pair.study(step, settings, trainings.precision)
        require_finished(study, step)
        while True:
            wanted = step.wanted(study)
            if wanted.trouble:
                raise UserError(wanted.trouble)
            new = [run for run in share(wanted.runs, shard, shards) if run not in trained]
            if not new:
                return list(trained.values())
            trained |= dict(zip(new, trainings.train(new), strict=True))


def conclude_step(pair: Pair, name: str, settings: Settings) -> Any:
    """What a step concludes from finished runs, as plain values. Raises `UserError` for one that has a table only."""
    step = step_named(name, settings)
    if step.conclude is None:
        raise UserError(f"the step {name} concludes nothing but its table")
    return step.conclude(pair.study(step, settings))


def table_of_step(pair: Pair, name: str, settings: Settings) -> "pd.DataFrame":
    """A step's table, from finished runs."""
    step = step_named(name, settings)
    return find("tables", name.partition("/")[0]).table(pair.study(step, settings), step)
