"""The training loop: lanes that see the same images in the same order, one step at a time."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from subtuning.config import Recipe
from subtuning.runs.identity import Run
from subtuning.training.data import Images, batches, epoch_order
from subtuning.training.optim import learning_rate, new_optimizer, set_learning_rate
from subtuning.training.stopwatch import Stopwatch
from subtuning.training.threads import LaneThreads
from subtuning.tuning.head import new_head
from subtuning.tuning.lane import Lane, Trunk

SCORING_BATCH = 256
"""Images a batch when scoring; needs no gradients, so more fit than in training."""


@dataclass
class LaneState:
    """A run in training: its lane, optimiser and what was measured so far."""

    run: Run
    lane: Lane
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    watch: Stopwatch
    loss_sum: Tensor
    correct: Tensor
    curve: list[dict[str, float]] = field(default_factory=list)
    diverged: bool = False

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of this lane."""
        return {
            "lane": self.lane.state_dict(),
            "optimizer": self.optimizer.state_dict(),
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
        self.scaler.load_state_dict(state["scaler"])
        self.watch = Stopwatch(self.watch.device, state["seconds"])
        self.loss_sum, self.correct = state["loss_sum"].clone(), state["correct"].clone()
        self.curve = list(state["curve"])


class Batch(NamedTuple):
    """What the lanes of one step share: the trunk's values at every cut, the labels, and the time it took."""

    values: dict[int, dict[str, Tensor]]
    labels: Tensor
    watch: Stopwatch


class LaneGroup:
    """Lanes with one recipe, seed and split, trained together: each batch is prepared once, the trunk runs once.

    Every lane is stepped by itself on the shared activations, so its numbers do not depend on which others are there.
    On a CPU the lanes of a step run side by side, beside the trunk for the next one (see `threads.LaneThreads`).
    """

    def __init__(self, trunk: Trunk, runs: Sequence[Run], train: Images, classes: int, features: int):
        self.trunk, self.train = trunk, train
        self.recipe: Recipe = runs[0].recipe
        self.seed = runs[0].seed
        self.device = train.device
        self.autocast = autocast_type(self.recipe.precision, self.device)
        self.steps_per_epoch = len(batches(len(train), self.recipe.batch_size))
        self.steps = self.recipe.epochs * self.steps_per_epoch
        self.step = 0
        self.lanes = [self._new_lane(run, classes, features) for run in runs]
        self._threads = LaneThreads(len(runs), self.device)
        self._upcoming: tuple[int, Future[Batch]] = (-1, Future())

    def _new_lane(self, run: Run, classes: int, features: int) -> LaneState:
        head = new_head(features, classes, self.recipe, self.seed)
        lane = Lane(self.trunk, run.subset, head.to(self.device, self.train.dtype))
        zero = torch.zeros((), dtype=torch.float64, device=self.device)
        scaler = torch.amp.GradScaler(self.device.type, enabled=self.autocast == torch.float16)
        return LaneState(
            run, lane, new_optimizer(lane, self.recipe), scaler, Stopwatch(self.device), zero.clone(), zero.clone()
        )

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
        if self.step + 1 < self.steps and self._threads.parallel:
            self._upcoming = (self.step + 1, self._prepared(self.step + 1))
        rate = learning_rate(self.recipe, self.step, self.steps)
        share = 1 / len(self.active)

        def step(state: LaneState) -> None:
            state.watch.add(batch.watch, share)
            with state.watch:
                set_learning_rate(state.optimizer, rate)
                self._step_lane(state, batch.values[state.lane.cut], batch.labels)

        self._threads.each(step, self._costly_first())
        self.step += 1
        epoch, index = divmod(self.step, self.steps_per_epoch)
        if index == 0:
            self._close_epoch(epoch, rate)

    def _prepared(self, step: int) -> Future[Batch]:
        """The batch of a step: already in preparation since the step before, or begun now."""
        begun, batch = self._upcoming
        return batch if begun == step else self._threads.submit(self._prepare, step)

    def _prepare(self, step: int) -> Batch:
        epoch, index = divmod(step, self.steps_per_epoch)
        rows = batches(len(self.train), self.recipe.batch_size, epoch_order(len(self.train), self.seed, epoch))[index]
        watch = Stopwatch(self.device)
        with watch:
            rng = np.random.default_rng([self.seed, step, 1])
            images, labels = self.train.batch(rows, self.recipe.augmentation, rng)
            return Batch(self._shared_values(images), labels, watch)

    def _costly_first(self) -> list[LaneState]:
        return sorted(self.active, key=lambda state: (state.lane.cut, -len(state.lane.trained)))

    def _shared_values(self, images: Tensor) -> dict[int, dict[str, Tensor]]:
        with torch.no_grad(), self._cast():
            return self.trunk.values_at(images, sorted({state.lane.cut for state in self.active}))

    def _step_lane(self, state: LaneState, values: dict[str, Tensor], labels: Tensor) -> None:
        state.lane.train()
        with self._cast():
            logits = state.lane(values)
        logits = logits if logits.dtype == torch.float64 else logits.float()
        loss = F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        state.optimizer.zero_grad(set_to_none=True)
        state.scaler.scale(loss).backward()
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.loss_sum += loss.detach() * len(labels)
        state.correct += (logits.detach().argmax(1) == labels).sum()

    def _close_epoch(self, epoch: int, rate: float) -> None:
        for state in self.active:
            loss = state.loss_sum.item() / len(self.train)
            if not np.isfinite(loss):
                state.diverged = True
                continue
            accuracy = state.correct.item() / len(self.train)
            state.curve.append({"epoch": epoch, "train_loss": loss, "train_accuracy": accuracy, "lr": rate})
            state.loss_sum.zero_()
            state.correct.zero_()

    @torch.no_grad()
    def score(self, images: Images) -> list[dict[str, Any] | None]:
        """Accuracy (0-1), mean cross-entropy and number of images for every lane, None for one that diverged.

        All lanes are scored in one pass over the images; trained layers are in eval mode.
        """
        active = self.active
        loss = torch.zeros(len(active), dtype=torch.float64, device=self.device)
        correct = torch.zeros_like(loss)
        for state in active:
            state.lane.eval()
        for rows in batches(len(images), SCORING_BATCH) if active else []:
            self._score_batch(images, rows, loss, correct)
        for index, state in enumerate(active):
            state.diverged = not torch.isfinite(loss[index]).item()
        scored = {id(state): index for index, state in enumerate(active) if not state.diverged}
        count = len(images)
        return [
            {"accuracy": correct[i].item() / count, "loss": loss[i].item() / count, "n": count}
            if (i := scored.get(id(state))) is not None
            else None
            for state in self.lanes
        ]

    def _score_batch(self, images: Images, rows: np.ndarray, loss: Tensor, correct: Tensor) -> None:
        def prepare() -> tuple[dict[int, dict[str, Tensor]], Tensor]:
            batch, labels = images.batch(rows)
            return self._shared_values(batch), labels

        values, labels = self._threads.submit(prepare).result()

        def score(item: tuple[int, LaneState]) -> None:
            index, state = item
            with torch.no_grad(), self._cast():
                logits = state.lane(values[state.lane.cut])
            logits = logits if logits.dtype == torch.float64 else logits.float()
            loss[index] += F.cross_entropy(logits, labels, reduction="sum")
            correct[index] += (logits.argmax(1) == labels).sum()

        self._threads.each(score, list(enumerate(self.active)))

    def _cast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.autocast or torch.bfloat16, enabled=self.autocast is not None)


def autocast_type(precision: str, device: torch.device) -> torch.dtype | None:
    """The type of mixed precision arithmetic, or None for full precision; `auto` is bf16 on a GPU that has it."""
    if precision == "auto":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if fast else None
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
