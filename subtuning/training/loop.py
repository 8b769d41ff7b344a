"""The training loop: lanes that see the same images in the same order, one step at a time."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from subtuning.runs.identity import Run
from subtuning.training.data import Images, batches, epoch_order
from subtuning.training.features import Features, values_of
from subtuning.training.graphs import Passes, Recorder
from subtuning.training.objectives import class_weights, objective_of
from subtuning.training.optim import learning_rate
from subtuning.training.rates import Rates
from subtuning.training.stopwatch import Stopwatch
from subtuning.training.streaming import Ahead
from subtuning.training.threads import LaneThreads
from subtuning.tuning.head import new_head
from subtuning.tuning.lane import Lane, Trunk


@dataclass
class LaneState:
    """A run in training: its lane, optimiser and what was measured so far."""

    run: Run
    lane: Lane
    rates: Rates
    scaler: torch.amp.GradScaler
    watch: Stopwatch
    passes: Passes
    loss_sum: Tensor
    correct: Tensor
    weights: Tensor | None = None
    curve: list[dict[str, float]] = field(default_factory=list)
    diverged: bool = False

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The lane's optimiser, a parameter group for each layer with a learning rate of its own."""
        return self.rates.optimizer

    def advance(self, step: int, values: dict[str, Any], labels: Tensor) -> None:
        """One step (from 0), from the trunk's values at the lane's cut: gradients, and the optimiser."""
        self.rates.begin(step)
        self.passes.run(self.compute_gradients, values, labels)
        self.rates.observe(self.scaler)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def compute_gradients(self, values: dict[str, Any], labels: Tensor) -> None:
        """Forward and backward pass, and the batch's part in the epoch's loss and accuracy; all of it on the device."""
        self.lane.train()
        logits = self.lane(values)
        objective = objective_of(labels)
        loss = objective.loss(logits, labels, self.run.recipe, self.weights)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.loss_sum += loss.detach() * len(labels)
        self.correct += objective.right(objective.predict(logits.detach()), labels).sum()

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of this lane."""
        return {
            "lane": self.lane.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "strategy": self.rates.state,
            "scaler": self.scaler.state_dict(),
            "seconds": self.watch.seconds(),
            "loss_sum": self.loss_sum,
            "correct": self.correct,
            "curve": self.curve,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state()`."""
        self.lane.load_state_dict(state["lane"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rates.state = dict(state.get("strategy", {}))  # checkpoints of an earlier version have none
        self.scaler.load_state_dict(state["scaler"])
        self.watch = Stopwatch(self.watch.device, state["seconds"])
        self.loss_sum, self.correct = state["loss_sum"].clone(), state["correct"].clone()
        self.curve = list(state["curve"])


@dataclass
class Batch:
    """What the lanes of one step share: the labels, and the trunk's values at every cut, or where to look them up."""

    rows: np.ndarray
    labels: Tensor
    values: dict[int, dict[str, Any]]
    cache: Features | None
    watch: Stopwatch

    def at(self, cut: int) -> dict[str, Any]:
        """The values that exist before segment `cut`."""
        return self.cache.at(cut, self.rows, self.labels.device) if self.cache else self.values[cut]


class LaneGroup:
    """Lanes with one seed, split and shared half of the recipe: each batch is prepared once, the trunk runs once.

    Every lane is stepped by itself on the shared activations, so its numbers do not depend on which others are there.
    On a CPU the lanes of a step run side by side, beside the trunk for the next one (see `threads.LaneThreads`).

    Args:
        classes, features: outputs and inputs of the head.
        cache: the trunk's values for all rows of `train`, when they were computed before.
        threads: shared with other groups; None for threads of its own.
        graphs: whether a GPU's passes are recorded (see `graphs`); changes no number.
    """

    def __init__(
        self,
        trunk: Trunk,
        runs: Sequence[Run],
        train: Images,
        classes: int,
        features: int,
        cache: Features | None = None,
        threads: LaneThreads | None = None,
        graphs: bool = True,
    ):
        self.trunk, self.train, self.cache = trunk, train, cache
        self.seed, self.device = runs[0].seed, train.device
        self.epochs, self.batch_size, self.augmentation, _ = runs[0].recipe.shared
        self.steps_per_epoch = len(batches(len(train), self.batch_size))
        self.steps = self.epochs * self.steps_per_epoch
        self.step = 0
        self.recorder = Recorder.on(self.device) if graphs else None
        self.lanes = [self._new_lane(run, classes, features) for run in runs]
        self.threads = threads or LaneThreads(self.device)
        self._upcoming: tuple[int, Future[Batch]] = (-1, Future())
        self._epochs: dict[int, list[np.ndarray]] = {}
        streamed = cache is None and not isinstance(train.pixels, Tensor)
        self._ahead = Ahead(train, self._rows, self.steps) if streamed else None

    def _new_lane(self, run: Run, classes: int, features: int) -> LaneState:
        head = new_head(features, classes, run.recipe, self.seed)
        lane = Lane(self.trunk, run.tuning, head.to(self.device, self.train.dtype), self.seed)
        zero = torch.zeros((), dtype=torch.float64, device=self.device)
        scaler = torch.amp.GradScaler(self.device.type, enabled=self.trunk.low == torch.float16)
        names = [segment.name for segment in self.trunk.original]
        rates = Rates(lane, run.recipe, names, self.steps, self.steps_per_epoch)
        weights = class_weights(run.recipe, self.train, classes)
        passes = Passes(lane.cut, lane.trained_parameters, self.recorder)
        return LaneState(run, lane, rates, scaler, Stopwatch(self.device), passes, zero.clone(), zero.clone(), weights)

    @property
    def active(self) -> list[LaneState]:
        """The lanes that have not diverged."""
        return [state for state in self.lanes if not state.diverged]

    @property
    def finished(self) -> bool:
        """Whether the last step is done or no lane is left."""
        return self.step >= self.steps or not self.active

    def advance(self) -> None:
        """One step of every active lane; closes the epoch's books after its last step."""
        batch = self._prepared(self.step).result()
        if self.step + 1 < self.steps and self.threads.parallel:
            self._upcoming = (self.step + 1, self._prepared(self.step + 1))
        share = 1 / len(self.active)

        def step(state: LaneState) -> None:
            state.watch.add(batch.watch, share)
            with state.watch:
                state.advance(self.step, batch.at(state.lane.cut), batch.labels)

        self.threads.each(step, self._costly_first())
        self.step += 1
        epoch, index = divmod(self.step, self.steps_per_epoch)
        if index == 0:
            self._close_epoch(epoch)

    def _prepared(self, step: int) -> Future[Batch]:
        """The batch of a step: already in preparation since the step before, or begun now."""
        begun, batch = self._upcoming
        return batch if begun == step else self.threads.submit(self._prepare, step)

    def _prepare(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step, 1])
        read = self._ahead.read(step) if self._ahead else None
        return self._batch(self.train, self._rows(step), self.cache, self.augmentation, rng, read)

    def _rows(self, step: int) -> np.ndarray:
        """The rows of a step's images."""
        epoch, index = divmod(step, self.steps_per_epoch)
        if epoch not in self._epochs:
            for old in self._epochs.keys() - {epoch - 1}:  # reading ahead begins an epoch before the last has ended
                del self._epochs[old]
            order = epoch_order(len(self.train), self.seed, epoch)
            self._epochs[epoch] = batches(len(self.train), self.batch_size, order)
        return self.train.rows_of(self._epochs[epoch][index])

    def batch(self, images: Images, positions: np.ndarray, cache: Features | None) -> Batch:
        """Some images, by position, and the trunk's values of them at the cuts of all active lanes."""
        return self._batch(images, images.rows_of(positions), cache)

    def _batch(self, images: Images, rows: np.ndarray, cache: Features | None, *seen: Any) -> Batch:
        watch, values = Stopwatch(self.device), {}
        with watch:
            if cache is None:
                cuts = sorted({state.lane.cut for state in self.active})
                values = values_of(self.trunk, images.pixels_at(rows, *seen), cuts)
            return Batch(rows, images.labels_at(rows), values, cache, watch)

    def _costly_first(self) -> list[LaneState]:
        return sorted(self.active, key=lambda state: (state.lane.cut, -len(state.lane.trained)))

    def _close_epoch(self, epoch: int) -> None:
        for state in self.active:
            loss = state.loss_sum.item() / len(self.train)
            if not np.isfinite(loss):
                state.diverged = True
                continue
            accuracy = state.correct.item() / len(self.train)
            rate = learning_rate(state.run.recipe, self.step - 1, self.steps)
            point = {"epoch": epoch, "train_loss": loss, "train_accuracy": accuracy, "lr": rate}
            state.curve.append(point | state.rates.shown())
            state.loss_sum.zero_()
            state.correct.zero_()
