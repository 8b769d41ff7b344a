"""What is scheduled: from runs to portions that are trained at once and fit into memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import torch

from subtuning.runs.identity import Run
from subtuning.runs.store import Store
from subtuning.tasks import Task
from subtuning.training import memory
from subtuning.training.checkpoints import Checkpoints
from subtuning.training.data import load_source, source_of
from subtuning.training.device import is_out_of_memory
from subtuning.training.features import Features, compute_features, value_sizes
from subtuning.training.threads import LaneThreads
from subtuning.tuning.lane import Trunk, cut_of
from subtuning.tuning.precision import low_type


@dataclass
class Workplace:
    """Where and with what runs are trained.

    Attributes:
        layers: the content of the backbone's `layers.json`.
        weights: the backbone's `weights.safetensors`.
        models: folder for the trained tensors of evaluation runs; None keeps none.
        finished: called with each record that was just written.
        title: what people call the runs together, such as the step of a study.
        dtype: of parameters and activations; float64 is for tests of exactness.
        lanes: how many runs are trained together at most; None means all that share their images and fit.
        fold_batchnorm, cache, graphs, groups: switches of what is faster and must not change results, for tests of
            just that; `groups` is how many groups of lanes are trained at once, None as many as pay and fit.
    """

    task: Task
    layers: dict[str, Any]
    weights: Path
    store: Store
    checkpoints: Checkpoints
    device: torch.device
    models: Path | None = None
    finished: Callable[[dict[str, Any], Run], None] = lambda record, run: None
    title: str = ""
    dtype: torch.dtype = torch.float32
    lanes: int | None = None
    fold_batchnorm: bool = True
    cache: bool = True
    graphs: bool = True
    groups: int | None = None


def split_alike(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs that share half of their recipe and train on parts of the same images."""
    found: dict[tuple, list[Run]] = {}
    for run in runs:
        found.setdefault((run.recipe.shared, source_of(run.split)), []).append(run)
    return list(found.values())


def lane_groups(runs: Sequence[Run], place: Workplace, fitting: int | None = None) -> list[list[Run]]:
    """Split runs into groups of lanes: same images in the same order, and the same step to go on from.

    Args:
        fitting: lanes that fit into memory at once.
    """
    keys = {run: (repr(run.order), place.checkpoints.step(run.id)) for run in runs}
    groups = [list(group) for _, group in groupby(sorted(runs, key=keys.__getitem__), key=keys.__getitem__)]
    size = min(place.lanes or len(runs), fitting or len(runs))
    return [group[start : start + size] for group in groups for start in range(0, len(group), size)]


class Workload:
    """Runs that are alike (see `split_alike`), and what they share: images, trunk, kept values, what fits."""

    def __init__(self, runs: Sequence[Run], trunk: Trunk, place: Workplace, warn: Callable[[str], None]):
        self.place, self.shared, self.source = place, runs[0].recipe.shared, source_of(runs[0].split)
        self.threads = LaneThreads(place.device)
        images = load_source(self.source, place.task, runs[0].backbone, place.device, place.dtype)
        self.images, self.trunk = memory.hold(images, warn), trunk.in_precision(low_type(runs[0].recipe.precision))
        self.cuts = self._cuts(runs)
        self._size(runs)
        self.cache = self._compute_cache(warn)
        self.shared_seconds = self.cache.watch.seconds() / len(runs) if self.cache else 0.0

    def take(self, runs: Sequence[Run]) -> bool:
        """Go on with other runs, if what is kept serves them; what they share was paid by the runs before."""
        same = (runs[0].recipe.shared, source_of(runs[0].split)) == (self.shared, self.source)
        if not same or (self.cache and not set(self._cuts(runs)) <= set(self.cuts)):
            return False
        self._size(runs, kept=True)
        self.shared_seconds = 0.0
        return True

    def _cuts(self, runs: Sequence[Run]) -> list[int]:
        return sorted({cut_of(tuning, self.trunk) for tuning in {run.tuning for run in runs}})

    def _size(self, runs: Sequence[Run], kept: bool = False) -> None:
        """Find out what runs need, and how many at once fit."""
        place, self.runs = self.place, list(runs)
        self.need = memory.estimate(self.trunk, runs, self.images, len(place.task.classes), place.layers["features"])
        if kept or not place.cache:
            self.need = replace(self.need, cache=0 if kept and self.cache else None)
        self.fit = self._choose(self.need)

    def portions(self, runs: Sequence[Run]) -> list[list[Run]]:
        """Runs in portions that are trained at once: each one or several groups of lanes."""
        groups, size = lane_groups(runs, self.place, self.fit.lanes), self.fit.groups
        return [list(chain(*groups[start : start + size])) for start in range(0, len(groups), size)]

    def _choose(self, need: memory.Need) -> memory.Fit:
        orders = len({run.order for run in self.runs})
        useful = min(orders, 2 * self.threads.workers) if self.threads.parallel else 1
        free = memory.available_memory(self.place.device)
        return memory.fit(need, self.place.groups or useful, self.threads.workers, self.place.device, free)

    def _compute_cache(self, warn: Callable[[str], None]) -> Features | None:
        if self.fit.storage is None:
            return None
        sizes = value_sizes(self.trunk, self.images, self.cuts)
        try:
            return compute_features(self.trunk, self.images, sizes, self.threads, self.fit.storage)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        warn("the trunk's values do not fit into memory; computing them in every step")
        torch.cuda.empty_cache()
        self.fit = self._choose(replace(self.need, cache=None))
        return None
