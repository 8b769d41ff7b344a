"""A study: what is to be found out about one task and backbone, step by step, and which runs are finished."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from subtuning.config import Recipe
from subtuning.errors import UserError
from subtuning.runs.identity import Run, Split
from subtuning.tuning.tuning import WEIGHTS, How, Tuning

if TYPE_CHECKING:
    import numpy as np

    from subtuning.tasks import Task

Record = dict[str, Any]
Get = Callable[[Run], Record | None]
"""Gives the record of a finished run, else None."""

Changes = tuple[tuple[str, Any], ...]
"""Keys of a recipe and their values, sorted by key."""

Settings = Mapping[str, Any]
"""Keys of the config, such as `greedy.folds`, and their values; only those that a step reads need to be there."""


@dataclass
class Study:
    """One task and backbone.

    Attributes:
        base: a run to make others from: only the head is trained, scored on val; its precision is resolved.
        layers: the content of the backbone's `layers.json`.
        task: the converted task, whose labels score stored predictions; None where it is not at hand.
        probabilities: gives those of a finished run (see `Store.probabilities`); None where it has none.
        counts: the numbers of images in the task's parts; None where they are not known.
        first_seed: that of its runs; another one is another repetition of the whole study.
        kept: what steps have worked out from finished runs, which does not change any more.
    """

    settings: Settings
    base: Run
    layers: dict[str, Any]
    get: Get
    task: "Task | None" = None
    probabilities: "Callable[[Mapping[str, Any]], np.ndarray | None]" = lambda record: None
    counts: Mapping[str, int] | None = None
    first_seed: int = 0
    kept: dict[Any, Any] = field(default_factory=dict)

    @cached_property
    def names(self) -> list[str]:
        """All layers in network order."""
        return [row["name"] for row in self.layers["layers"]]

    @property
    def candidates(self) -> list[str]:
        """The layers one may choose from."""
        return candidates(self.layers)

    @cached_property
    def how(self) -> How:
        """How profile and greedy search train layers (`search.how`). Raises `UserError` if it cannot be read."""
        return How.parse(self.settings.get("search.how", str(WEIGHTS)))

    def __post_init__(self) -> None:
        if self.settings.get("search.metric", "accuracy") != "accuracy":
            self.get = partial(self._scored, self.get)

    def _scored(self, get: Get, run: Run) -> Record | None:
        """The record of a finished run, scored by the study's metric."""
        if (key := ("scored", run)) in self.kept:
            return self.kept[key]
        if (record := get(run)) is None:
            return None
        from subtuning.search.metrics import scored, scored_labels  # NumPy, without which the rest can do

        assert self.task is not None  # finished runs are of a task on disk
        if (labels := ("labels", run.split)) not in self.kept:
            self.kept[labels] = scored_labels(self.task, run.split)
        self.kept[key] = scored(record, self.settings["search.metric"], self.kept[labels], self.probabilities)
        return self.kept[key]

    def runs(
        self, tunings: Sequence[Tuning], splits: Sequence[Split], seeds: int = 1, changes: Changes = ()
    ) -> list[Run]:
        """A run for each seed, split and tuning; `changes` are values of the recipe that differ from the study's."""
        first = self.settings.get("search.first_seed", 0)
        keys = ((t, s, seed) for seed in range(first, first + seeds) for s in splits for t in tunings)
        return [self._run(*key, changes) for key in keys]

    def _run(self, tuning: Tuning, split: Split, seed: int, changes: Changes) -> Run:
        """The one object for this run: it remembers its id."""
        key = (tuning, split, seed, changes)
        if key not in self.kept:
            run = self.base.with_split(split).with_tuning(tuning).with_seed(self.first_seed + seed)
            self.kept[key] = run.with_recipe(self._changed(changes)) if changes else run
        return self.kept[key]

    def _changed(self, changes: Changes) -> Recipe:
        """The study's recipe with these values: one object, whose text all its runs share."""
        if changes not in self.kept:
            self.kept[changes] = self.base.recipe.model_copy(update=dict(changes))
        return self.kept[changes]

    def records(self, runs: Sequence[Run]) -> list[Record] | None:
        """The records of all these runs, None if any is not finished."""
        found = [record for run in runs if (record := self.get(run))]
        return found if len(found) == len(runs) else None

    def require(self, runs: Sequence[Run]) -> list[Record]:
        """The records of all these runs. Raises `UserError` that names one that is not finished."""
        found = []
        for run in runs:
            if not (record := self.get(run)):
                raise UserError(f"run {run} (id {run.id}) is not finished; train it first")
            found.append(record)
        return found


@dataclass
class Wanted:
    """The runs of a step.

    Attributes:
        runs: those that are known.
        later: the splits of those (at most) whose layers are not known before other runs are finished.
        trouble: why they will never be known, as a sentence, else empty.
    """

    runs: list[Run] = field(default_factory=list)
    later: list[Split] = field(default_factory=list)
    trouble: str = ""


@dataclass(frozen=True)
class Step:
    """One node of a study.

    Attributes:
        name: such as `profile` or `greedy/forward/2`; its first word is the experiment that it belongs to.
        after: the steps that must be finished before.
        reads: the settings on which its runs and what it concludes depend, those of the steps before it included.
        rules: the rules of the workflow that train it and that conclude it, None where there is none.
        wanted: which runs it asks for, given the finished ones; what a race drops is no longer asked for.
        conclude: what it concludes from finished runs, as plain values; None where it only makes a table.
        shards: the setting that says over how many jobs its runs are spread; empty if they are not.
    """

    name: str
    after: tuple[str, ...]
    reads: tuple[str, ...]
    rules: tuple[str | None, str | None]
    wanted: Callable[[Study], Wanted]
    conclude: Callable[[Study], Any] | None = None
    shards: str = ""


def candidates(layers: Mapping[str, Any], how: How = WEIGHTS) -> list[str]:
    """The layers one may choose from, in network order, from the content of `layers.json`, which says it of each.

    They are the stem, all blocks, and a tail that holds more than norms, as EfficientNet's last convolution, as far as
    they have something that `how` trains. A description older than the first choice has none, there the tail stays
    out; one older than the second leaves no layer out.

    Raises:
        UserError: no layer is left, or wrong options of `how`.
    """
    chosen = [row for row in layers["layers"] if row.get("candidate", row["kind"] != "tail" and row["parameters"])]
    if how != WEIGHTS:
        from subtuning.tuning.adapters import finds  # torch, without which a search of weights does

        chosen = [row for row in chosen if "tensors" not in row or finds(how, row["tensors"])]
        if not chosen:
            raise UserError(f"search.how is {how}, but no layer of this backbone has anything that it trains")
    return [row["name"] for row in chosen]


def cv_splits(folds: int) -> list[Split]:
    """One split for each fold of a cross-validation."""
    return [Split("cv", folds, fold) for fold in range(folds)]


def shard(items: Sequence[Any], index: int, count: int) -> list[Any]:
    """The part of `items` that job `index` (from 0) of `count` does: every `count`-th, so that early layers, which cost
    more, are spread evenly."""
    return list(items[index::count])


def share(runs: Sequence[Run], index: int, count: int) -> list[Run]:
    """The part of a step's runs that job `index` of `count` trains: all runs of every `count`-th tuning."""
    mine = set(shard(list(dict.fromkeys(run.tuning for run in runs)), index, count))
    return [run for run in runs if run.tuning in mine]
