"""From a list of runs to records in the store: what is missing is trained, as many lanes at once as fit."""

import datetime
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch
from torch import nn

from subtuning.backbones.describe import resize_input
from subtuning.backbones.graph import split_model
from subtuning.backbones.weights import load_weights
from subtuning.config import BackboneEntry
from subtuning.errors import UserError
from subtuning.runs.claims import Claims
from subtuning.runs.identity import Run
from subtuning.runs.predictions import pack
from subtuning.tasks import Task
from subtuning.training import memory
from subtuning.training.data import images_of
from subtuning.training.device import device_name, is_out_of_memory, make_repeatable, versions
from subtuning.training.interrupt import Interrupt
from subtuning.training.loop import LaneGroup, LaneState
from subtuning.training.outcome import write_outcome
from subtuning.training.progress import Progress
from subtuning.training.schedule import Workload, Workplace, lane_groups, split_alike
from subtuning.training.scoring import Scores, score
from subtuning.training.threads import LaneThreads
from subtuning.tuning.lane import Trunk

SECONDS_BETWEEN_CHECKPOINTS = 60
"""At most so much work is lost by `kill -9`; SIGTERM and SIGINT lose one step at most."""


class Trainer:
    """Trains runs of one task and backbone.

    What they share is kept from one call to the next: the trunk, and the images and kept values of the last call.
    """

    def __init__(self, place: Workplace):
        self.place = place
        self._trunk: Trunk | None = None
        self._last: Workload | None = None

    def train(self, runs: Sequence[Run]) -> int:
        """Train those of `runs` that the store lacks and return how many that were.

        Runs that another process is training are left to it (see `Claims`). A run's record is written the moment the
        run is finished. On SIGINT or SIGTERM the state of unfinished runs is saved and `Interrupted` is raised; the
        next call goes on from there.

        Raises:
            UserError: weights that are missing or not those that the runs name.
        """
        missing = self.place.store.missing(runs)
        if not missing:
            return 0
        make_repeatable()
        if self._trunk is None:
            self._trunk = LaneThreads(self.place.device).submit(load_trunk, self.place).result()
        images, trained = sum(images_seen(run, self.place.task) for run in missing), 0
        title = " of ".join(filter(None, [self.place.title, "/".join(filter(None, runs[0].names))])) or "training"
        progress = Progress(title, len(missing), images)
        with Interrupt() as interrupt, progress, Claims(self.place.store) as claims:
            for alike in split_alike(missing):
                work = self._open(alike, progress)
                training = _Training(work, interrupt, progress)
                for mine in claims.shares(work.portions(alike), interrupt.pause):
                    training.train(mine)
                    trained += len(mine)
        return trained

    def _open(self, runs: list[Run], progress: Progress) -> Workload:
        if self._last is None or not self._last.take(runs):
            self._last = None  # first give its memory back
            self._last = Workload(runs, self._trunk, self.place, progress.write)
        return self._last


def train_missing(runs: Sequence[Run], place: Workplace) -> int:
    """Train those of `runs` that the store lacks (see `Trainer.train`)."""
    return Trainer(place).train(runs)


class _Training:
    """Groups of lanes of one workload, several at a time on a CPU."""

    def __init__(self, work: Workload, interrupt: Interrupt, progress: Progress):
        self.work, self.place, self.interrupt, self.progress = work, work.place, interrupt, progress
        self.lock = threading.Lock()

    def train(self, runs: list[Run]) -> None:
        """Train and record a portion, or what is left of it."""
        fit = self.work.fit
        groups = lane_groups(runs, self.place, fit.lanes)  # anew: another trainer may have saved a step and died
        if fit.groups == 1:
            for group in groups:
                self._group(group)
            return
        with ThreadPoolExecutor(fit.groups, "group") as pool:
            calls = [pool.submit(self._group, group) for group in groups]
            try:
                for call in as_completed(calls):
                    call.result()
            except BaseException:
                self.interrupt.stopping = True  # the others stop after their step and save
                pool.shutdown(cancel_futures=True)
                raise

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
        self.progress.write(f"{len(runs)} lanes do not fit into memory; training them in two halves")
        middle = len(runs) // 2
        # grouped anew, since a lane that diverged has no checkpoint of the step at which the others were saved
        for group in (*lane_groups(runs[:middle], self.place), *lane_groups(runs[middle:], self.place)):
            self._group(group)

    def _together(self, runs: list[Run]) -> None:
        work, place = self.work, self.place
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        train, scored = images_of(runs[0].split, work.images, place.task)
        classes, features = len(place.task.classes), place.layers["features"]
        group = LaneGroup(work.trunk, runs, train, classes, features, work.cache, work.threads, place.graphs)
        _resume(group, place)
        images = len(runs) * len(train) / group.steps_per_epoch
        self.progress.saw(group.step * images, before=True)
        saved_at = time.monotonic()
        while not group.finished:
            group.advance()
            self.progress.saw(images)
            if time.monotonic() - saved_at > SECONDS_BETWEEN_CHECKPOINTS and not group.finished:
                _save(group, place)
                saved_at = time.monotonic()
            self._leave_if_asked(group)
        cache = work.cache if scored.pixels is work.images.pixels else None
        scores = score(group, scored, cache, between=lambda: self._leave_if_asked(group))
        with self.lock:
            self._record(group, scores, started)

    def _leave_if_asked(self, group: LaneGroup) -> None:
        if self.interrupt.stopping:
            _save(group, self.place)
        self.interrupt.check()

    def _record(self, group: LaneGroup, scores: Sequence[Scores | None], started: str) -> None:
        for state, found in zip(group.lanes, scores, strict=True):
            run, place = state.run, self.place
            result = _result(state, found, group, place, started, self.work.shared_seconds)
            result["lane_memory_bytes"] = self.work.need.lanes[memory.kind_of(run)]
            if found:
                write_outcome(run, state.lane, found.probabilities, place)
            # a run that was trained again for its probabilities keeps the record from which tables were made
            record = (place.store.needs_probabilities and place.store.record(run.id)) or place.store.add(run, result)
            place.checkpoints.remove(run.id)
            place.finished(record, run)
            self.progress.finished()


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
    segments = split_model(load_network(place.layers, place.weights), place.layers["granularity"])
    return Trunk(segments, place.fold_batchnorm).to(place.device, place.dtype)


def load_network(layers: dict[str, Any], weights: Path) -> nn.Module:
    """The pretrained network of a `layers.json` without classifier, from its fetched weights.

    Raises:
        UserError: these are missing, or not those that were described.
    """
    spec = spec_of(layers)
    network, digest = load_weights(weights, spec.model, lambda network: resize_input(network, spec))
    if digest != layers["weights_sha256"]:
        raise UserError(f"{weights} has changed since it was described; run subtuning describe again")
    return network


def spec_of(layers: dict[str, Any]) -> BackboneEntry:
    """The backbone's entry as far as a network is built from it."""
    return BackboneEntry(model=layers["model"], input_size=layers["input_size"], granularity=layers["granularity"])


def _result(
    state: LaneState, scores: Scores | None, group: LaneGroup, place: Workplace, started: str, shared: float
) -> dict[str, Any]:
    """All of a record but the identity; `shared` are the lane's seconds of what was computed for all runs at once."""
    seconds = state.watch.seconds() + shared
    head = sum(p.numel() for p in state.lane.head.parameters())
    images = group.step * len(group.train) / group.steps_per_epoch
    return {
        "status": "diverged" if scores is None else "done",
        "metrics": scores and _metrics(scores, state.run),
        "predictions": scores and pack(scores.predictions),
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


def images_seen(run: Run, task: Task) -> float:
    """How many images train a run, over all epochs."""
    parts = {"val": ["train"], "all": ["train", "val", "test"]}.get(run.split.kind, ["train", "val"])
    share = 1 - 1 / run.split.folds if run.split.folds else 1
    return run.recipe.epochs * share * sum(task.counts[part] for part in parts)


def _metrics(scores: Scores, run: Run) -> dict[str, Any] | None:
    """How right a run is; None of one that was trained on the very images on which it could be scored."""
    return None if run.split.kind == "all" else scores.metrics(hits=run.split.kind not in ("test", "pool"))
