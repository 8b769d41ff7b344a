"""From a list of runs to records in the store: what is missing is trained, as many lanes at once as fit."""

import datetime
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from subtuning.backbones.describe import resize_input
from subtuning.backbones.graph import split_model
from subtuning.backbones.weights import load_weights
from subtuning.config import Backbone as BackboneSpec
from subtuning.errors import UserError
from subtuning.runs.claims import Claims
from subtuning.runs.identity import Run
from subtuning.runs.store import Store
from subtuning.tasks import Task
from subtuning.training import memory
from subtuning.training.checkpoints import Checkpoints
from subtuning.training.data import images_of, load_source, source_of
from subtuning.training.device import device_name, is_out_of_memory, make_repeatable, versions
from subtuning.training.features import Features, compute_features, value_sizes
from subtuning.training.interrupt import Interrupt
from subtuning.training.loop import LaneGroup, LaneState
from subtuning.training.threads import LaneThreads
from subtuning.tuning.lane import Trunk, cut_of
from subtuning.tuning.precision import low_type

SECONDS_BETWEEN_CHECKPOINTS = 60
"""At most so much work is lost by `kill -9`; SIGTERM and SIGINT lose one step at most."""


@dataclass
class Workplace:
    """Where and with what runs are trained.

    Attributes:
        layers: the content of the backbone's `layers.json`.
        weights: the backbone's `weights.safetensors`.
        finished: called with each record that was just written.
        dtype: of parameters and activations; float64 is for tests of exactness.
        lanes: how many runs are trained together at most; None means all that share their images and fit.
        fold_batchnorm, cache, groups: switches of what is faster and must not change results, for tests of just that;
            `groups` is how many groups of lanes are trained at once, None as many as pay and fit.
    """

    task: Task
    layers: dict[str, Any]
    weights: Path
    store: Store
    checkpoints: Checkpoints
    device: torch.device
    finished: Callable[[dict[str, Any], Run], None] = lambda record, run: None
    dtype: torch.dtype = torch.float32
    lanes: int | None = None
    fold_batchnorm: bool = True
    cache: bool = True
    groups: int | None = None


def train_missing(runs: Sequence[Run], place: Workplace) -> int:
    """Train those of `runs` that the store lacks and return how many that were.

    Runs that another process is training are left to it (see `Claims`). A run's record is written the moment the run is
    finished. On SIGINT or SIGTERM the state of unfinished runs is saved and `Interrupted` is raised; the next call goes
    on from there.

    Raises:
        UserError: weights that are missing or not those that the runs name.
    """
    missing = place.store.missing(runs)
    if not missing:
        return 0
    make_repeatable()
    trunk = LaneThreads(place.device).submit(load_trunk, place).result()
    total, trained = sum(run.recipe.epochs for run in missing), 0
    with Interrupt() as interrupt, _progress_bar(total) as bar, Claims(place.store) as claims:
        for alike in _alike(missing):
            training = _Training(alike, trunk, place, interrupt, bar)
            for mine in claims.shares(training.portions(), interrupt.pause):
                training.train(mine)
                trained += len(mine)
    return trained


def _alike(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs that have one recipe and train on parts of the same images."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(repr((run.recipe, source_of(run.split))), []).append(run)
    return list(found.values())


def lane_groups(runs: Sequence[Run], place: Workplace, fitting: int | None = None) -> list[list[Run]]:
    """Split runs into groups of lanes: same images in the same order, and the same step to go on from.

    Args:
        fitting: lanes that fit into memory at once.
    """

    def key(run: Run) -> tuple:
        return (repr(run.order), place.checkpoints.step(run.id))

    keys = {run: key(run) for run in runs}
    groups = [list(group) for _, group in groupby(sorted(runs, key=keys.__getitem__), key=keys.__getitem__)]
    size = min(place.lanes or len(runs), fitting or len(runs))
    return [group[start : start + size] for group in groups for start in range(0, len(group), size)]


class _Training:
    """Runs that have one recipe and train on parts of the same images: groups of lanes, several at a time on a CPU."""

    def __init__(self, runs: list[Run], trunk: Trunk, place: Workplace, interrupt: Interrupt, bar: tqdm):
        recipe, backbone = runs[0].recipe, runs[0].backbone
        self.runs, self.place, self.interrupt, self.bar = runs, place, interrupt, bar
        self.lock, self.threads = threading.Lock(), LaneThreads(place.device)
        self.images = load_source(source_of(runs[0].split), place.task, backbone, place.device, place.dtype).on_device()
        self.trunk = trunk.in_precision(low_type(recipe.precision))
        self.need = self._estimated()
        self.plan = self._planned(self.need)
        self.cache = self._computed()

    def portions(self) -> list[list[Run]]:
        """The runs in portions that are trained at once: each one or several groups of lanes."""
        groups, size = lane_groups(self.runs, self.place, self.plan.lanes), self.plan.groups
        return [list(chain(*groups[start : start + size])) for start in range(0, len(groups), size)]

    def train(self, runs: list[Run]) -> None:
        """Train and record a portion, or what is left of it."""
        groups = lane_groups(runs, self.place, self.plan.lanes)  # anew: another trainer may have saved a step and died
        if self.plan.groups == 1:
            for group in groups:
                self._group(group)
            return
        with ThreadPoolExecutor(self.plan.groups, "group") as pool:
            calls = [pool.submit(self._group, group) for group in groups]
            try:
                for call in as_completed(calls):
                    call.result()
            except BaseException:
                self.interrupt.stopping = True  # the others stop after their step and save
                pool.shutdown(cancel_futures=True)
                raise

    def _estimated(self) -> memory.Need:
        place, layers = self.place, self.place.layers
        need = memory.estimate(self.trunk, self.runs, self.images, len(place.task.classes), layers["features"])
        return need if place.cache else replace(need, cache=None)

    def _planned(self, need: memory.Need) -> memory.Plan:
        orders = len({run.order for run in self.runs})
        useful = min(orders, 2 * self.threads.workers) if self.threads.parallel else 1
        free = memory.available_memory(self.place.device)
        return memory.plan(need, self.place.groups or useful, self.threads.workers, self.place.device, free)

    def _computed(self) -> Features | None:
        if self.plan.storage is None:
            return None
        names = [segment.name for segment in self.trunk.original]
        cuts = sorted({cut_of(run.tuning, names) for run in self.runs})
        sizes = value_sizes(self.trunk, self.images, cuts)
        try:
            return compute_features(self.trunk, self.images, sizes, self.threads, self.plan.storage)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        self.bar.write("the trunk's values do not fit into memory; computing them in every step", file=sys.stderr)
        torch.cuda.empty_cache()
        self.plan = self._planned(replace(self.need, cache=None))
        return None

    def _group(self, runs: list[Run]) -> None:
        """Train one group; when memory runs out, train its two halves one after the other."""
        try:
            self._together(runs)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(runs) == 1:
                raise UserError(
                    f"run {runs[0]} does not fit into the memory of {self.place.device}; lower recipe.batch_size"
                ) from None
        else:
            return
        # outside of the except block: the exception's traceback would keep the lanes' memory
        torch.cuda.empty_cache()
        self.bar.write(f"{len(runs)} lanes do not fit into memory; training them in two halves", file=sys.stderr)
        middle = len(runs) // 2
        # grouped anew, since a lane that diverged has no checkpoint of the step at which the others were saved
        for group in (*lane_groups(runs[:middle], self.place), *lane_groups(runs[middle:], self.place)):
            self._group(group)

    def _together(self, runs: list[Run]) -> None:
        place = self.place
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        train, scored = images_of(runs[0].split, self.images, place.task)
        classes, features = len(place.task.classes), place.layers["features"]
        group = LaneGroup(self.trunk, runs, train, classes, features, self.cache, self.threads)
        _resume(group, place)
        self._describe(runs)
        saved_at = time.monotonic()
        while not group.finished:
            group.advance()
            if group.step % group.steps_per_epoch == 0:
                self._progress(len(group.lanes))
            if time.monotonic() - saved_at > SECONDS_BETWEEN_CHECKPOINTS and not group.finished:
                _save(group, place)
                saved_at = time.monotonic()
            self._leave_if_asked(group)
        cache = self.cache if scored.pixels is self.images.pixels else None
        metrics = group.score(scored, cache, between=lambda: self._leave_if_asked(group))
        if runs[0].split.kind == "test":  # nobody compares its answers, and there are many
            metrics = [found and {key: found[key] for key in ("accuracy", "loss", "n")} for found in metrics]
        with self.lock:
            self._record(group, metrics, started)

    def _leave_if_asked(self, group: LaneGroup) -> None:
        if self.interrupt.stopping:
            _save(group, self.place)
        self.interrupt.check()

    def _record(self, group: LaneGroup, metrics: Sequence[dict | None], started: str) -> None:
        shared = self.cache.watch.seconds() / len(self.runs) if self.cache else 0.0
        for state, found in zip(group.lanes, metrics, strict=True):
            result = _result(state, found, group, self.place, started, shared)
            result["lane_memory_bytes"] = self.need.lanes[state.run.tuning]
            record = self.place.store.add(state.run, result)
            self.place.checkpoints.remove(state.run.id)
            self.place.finished(record, state.run)

    def _describe(self, runs: list[Run]) -> None:
        words = f"{runs[0].split} seed {runs[0].seed}, {len(runs)} lanes"
        if self.plan.groups > 1:
            words = f"{len(self.runs)} lanes, {self.plan.groups} groups at a time"
        with self.lock:
            self.bar.set_description(f"{'/'.join(runs[0].names)} {words}")

    def _progress(self, lanes: int) -> None:
        with self.lock:
            self.bar.update(lanes)


def _resume(group: LaneGroup, place: Workplace) -> None:
    saved = [place.checkpoints.load(state.run.id, place.device) for state in group.lanes]
    if len({state and state["step"] for state in saved}) > 1:
        return  # without file locks another trainer may have saved or finished some since they were grouped: begin anew
    for state, found in zip(group.lanes, saved, strict=True):
        if found:
            group.step = found["step"]
            state.restore(found)


def _save(group: LaneGroup, place: Workplace) -> None:
    for state in group.active:
        place.checkpoints.save(state.run.id, state.state() | {"step": group.step})


def load_trunk(place: Workplace) -> Trunk:
    """The pretrained network on the device, cut into segments."""
    spec = spec_of(place.layers)
    network, digest = load_weights(place.weights, spec.model, lambda network: resize_input(network, spec))
    if digest != place.layers["weights_sha256"]:
        raise UserError(f"{place.weights} has changed since it was described; run subtuning describe again")
    segments = split_model(network, spec.granularity)
    return Trunk(segments, place.fold_batchnorm).to(place.device, place.dtype)


def spec_of(layers: dict[str, Any]) -> BackboneSpec:
    """The backbone's entry as far as a network is built from it."""
    return BackboneSpec(model=layers["model"], input_size=layers["input_size"], granularity=layers["granularity"])


def _result(
    state: LaneState, metrics: dict | None, group: LaneGroup, place: Workplace, started: str, shared: float
) -> dict[str, Any]:
    """All of a record but the identity; `shared` are the lane's seconds of what was computed for all runs at once."""
    seconds = state.watch.seconds() + shared
    head = sum(p.numel() for p in state.lane.head.parameters())
    images = group.step * len(group.train) / group.steps_per_epoch
    return {
        "status": "diverged" if metrics is None else "done",
        "metrics": metrics,
        "curve": state.curve,
        "trainable_parameters": sum(p.numel() for p in state.lane.trained_parameters),
        "total_parameters": place.layers["total_parameters"] + head,
        "flops": place.layers["total_flops"] + 2 * head,
        "seconds": round(seconds, 4),
        "images_per_second": round(images / seconds, 1) if seconds else None,
        "lanes": len(group.lanes),
        "precision": str(group.trunk.low or place.dtype).removeprefix("torch."),
        "device": device_name(place.device),
        "versions": versions(),
        "started": started,
    }


def _progress_bar(lane_epochs: int) -> tqdm:
    quiet = not sys.stderr.isatty()
    return tqdm(total=lane_epochs, unit="lane-epoch", smoothing=0.1, mininterval=15 if quiet else 0.2, file=sys.stderr)
