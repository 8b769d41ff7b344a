"""Scoring the lanes of a group: one pass over the images for all of them."""

import operator
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor

from subtuning.training.data import Images, batches
from subtuning.training.features import Features
from subtuning.training.loop import Batch, LaneGroup, LaneState
from subtuning.training.objectives import objective_of
from subtuning.tuning.lane import Lane

SCORING_BATCH = {"cpu": 64, "cuda": 256}
"""Images a batch when scoring: on a CPU few, which stay in its cache and spread evenly over the cores."""

_Answers = tuple[Tensor, Tensor, Tensor, Tensor]
"""Of a batch: the sum of its losses; of each image what is predicted, what is right, and the probabilities."""

MOST_AHEAD = 8
"""Batches that are scored at once at most, to bound the memory that few lanes take on many cores."""


@dataclass
class Scores:
    """How right a run is on N images of C classes.

    Attributes:
        loss: the sum over the images.
        predictions, labels: N; of a multi-label task N x C, True or 1 for each label that an image has.
        probabilities: N x C (see `objectives.Objective.probabilities`).
    """

    loss: float
    predictions: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray

    def metrics(self, hits: bool) -> dict[str, Any]:
        """accuracy (0-1), mean `loss`, `n` images, and `hits` if asked for: for each image in its order a bit, 1 where
        the answer is right, padded to whole bytes, as hex digits (what a race compares). Of several labels all must be
        right."""
        right = objective_of(self.labels).right(self.predictions, self.labels)
        found = {"accuracy": int(right.sum()) / len(right), "loss": self.loss / len(right), "n": len(right)}
        return found | ({"hits": np.packbits(right).tobytes().hex()} if hits else {})


@torch.no_grad()
def score(
    group: LaneGroup, images: Images, cache: Features | None = None, between: Callable[[], None] = lambda: None
) -> list[Scores | None]:
    """How right every lane of a group is, None for one that diverged.

    All lanes are scored in one pass over the images; trained layers are in eval mode.

    Args:
        cache: the trunk's values for all rows of `images`, when they were computed before.
        between: called between two batches; it may raise.
    """
    for state in group.active:
        state.lane.eval()
    found: dict[int, list[_Answers]] = {id(state): [] for state in group.lanes}
    for scored in _scored(group, images, cache, between):
        for state, result in scored:
            found[id(state)].append(result)
    return [_gather(state, found[id(state)]) for state in group.lanes]


def _scored(
    group: LaneGroup, images: Images, cache: Features | None, between: Callable[[], None]
) -> Iterator[list[tuple[LaneState, _Answers]]]:
    """What every active lane says of each batch; so many batches are on their way that all cores have work."""
    lanes = sorted(group.active, key=lambda state: state.lane.cut)
    parts = batches(len(images), SCORING_BATCH[group.device.type]) if lanes else []
    ahead = min(MOST_AHEAD, -(-group.threads.workers // max(1, len(lanes))))
    begun = deque(group.threads.submit(group.batch, images, part, cache) for part in parts[:ahead])
    waiting: deque[list[tuple[LaneState, Future]]] = deque()
    for following in [*parts[ahead:], *[None] * len(begun)]:
        between()
        batch = begun.popleft().result()
        if following is not None:
            begun.append(group.threads.submit(group.batch, images, following, cache))
        waiting.append([(state, group.threads.submit(_score, state.lane, batch)) for state in lanes])
        if len(waiting) >= ahead:
            yield [(state, call.result()) for state, call in waiting.popleft()]
    for calls in waiting:
        yield [(state, call.result()) for state, call in calls]


@torch.no_grad()
def _score(lane: Lane, batch: Batch) -> _Answers:
    logits = lane(batch.at(lane.cut))
    objective = objective_of(batch.labels)
    loss = objective.total_loss(logits, batch.labels)
    return loss, objective.predict(logits), batch.labels, objective.probabilities(logits)


def _gather(state: LaneState, found: list[_Answers]) -> Scores | None:
    """All batches, in their order; None for a lane that diverged, which is noted."""
    if state.diverged:
        return None
    losses, *arrays = zip(*found, strict=True)
    loss = reduce(operator.add, torch.stack(losses).tolist(), 0.0)
    if not np.isfinite(loss):
        state.diverged = True
        return None
    return Scores(loss, *(torch.cat(parts).cpu().numpy() for parts in arrays))
