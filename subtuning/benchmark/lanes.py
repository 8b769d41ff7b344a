"""A: a profile's lanes against one run after another, and rates; C: the trainer against a bare loop."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from subtuning.benchmark.job import Job
from subtuning.benchmark.timing import compare, flops
from subtuning.training.scoring import score
from subtuning.tuning.tuning import EVERYTHING, Tuning

RATES = (1e-4, 3e-4, 1e-3, 3e-3)


class Plain:
    """A step of plain PyTorch: the whole model, `requires_grad` set by layer, images ready on the device."""

    def __init__(self, job: Job, tuning: Tuning, batch: tuple[Tensor, Tensor]):
        self.job, self.images, self.labels = job, *batch
        self.network = job.network().to(job.device, memory_format=torch.channels_last).eval().requires_grad_(False)
        self.head = nn.Linear(job.features, job.classes).to(job.device)
        trained_layers = tuning.of([segment.name for segment in job.trunk.original])
        for segment in job.trunk.original:
            if segment.name in trained_layers:
                for name in segment.parameters:
                    self.network.get_parameter(name).requires_grad_(True)
                    self.network.get_submodule(name.rpartition(".")[0]).train()
        trained = [p for p in [*self.network.parameters(), *self.head.parameters()] if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-3, fused=True)

    def features(self) -> Tensor:
        """What the network makes of the batch, N x F, in float32."""
        with torch.autocast(self.job.device.type, self.job.low or torch.bfloat16, enabled=self.job.low is not None):
            return self.network(self.images).float()

    def loss(self, features: Tensor) -> Tensor:
        """Mean cross-entropy of the head's answers to the batch."""
        return F.cross_entropy(self.head(features), self.labels)

    def step(self) -> None:
        """Forward, backward, optimiser."""
        loss = self.loss(self.features())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


def lanes_against_single(job: Job, repeats: int) -> list[dict[str, Any]]:
    """A: seconds of one step of all lanes, with and without kept values, against plain steps one after another."""
    singles = [Plain(job, tuning, job.batch) for tuning in job.profile]

    def one_after_another() -> None:
        for single in singles:
            single.step()

    rows = []
    plain_flops = flops(one_after_another)
    for cached in (False, True):
        group = job.group(job.profile, cached=cached)
        ratio = compare(group.advance, one_after_another, job.device, repeats)
        needed = plain_flops / flops(_sequential(job, cached))
        rows.append(
            {"benchmark": "A lanes", "trunk": "kept" if cached else "each batch", "lanes": len(job.profile)}
            | ratio.row()
            | {"arithmetic_ratio": round(needed, 3), "share_of_arithmetic": round(ratio.ratio / needed, 3)}
        )
    return rows


def _sequential(job: Job, cached: bool) -> Callable[[], None]:
    """A step of the same lanes in this thread, where operations can be counted."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return job.group(job.profile, cached=cached).advance
    finally:
        torch.set_num_threads(threads)


def overhead(job: Job, repeats: int) -> list[dict[str, Any]]:
    """C: the trainer's step of one lane against forward, backward and optimiser on ready tensors, with the same code
    for the layers; above 1 means that the trainer is the faster one."""
    rows = []
    images, labels = job.batch
    for name, tuning in {"full": EVERYTHING, "middle layer": Tuning((job.layers[len(job.layers) // 2],))}.items():
        group, other = job.group([tuning]), job.group([tuning])
        state = other.lanes[0]
        state.lane.train()

        def bare(state=state) -> None:
            with torch.no_grad():
                values = job.trunk.values_at(images, [state.lane.cut])[state.lane.cut]
            loss = F.cross_entropy(state.lane(values), labels)
            state.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            state.optimizer.step()

        ratio = compare(group.advance, bare, job.device, repeats)
        images_s = job.batch_size / ratio.ours
        rows.append({"benchmark": "C overhead", "lane": name} | ratio.row() | {"images_per_s": round(images_s, 1)})
    return rows


def lr_grid(job: Job, epochs: int, repeats: int) -> list[dict[str, Any]]:
    """A: seconds of whole trainings of a profile at several learning rates, in one training against one for each."""
    scored = job.test.part(np.arange(min(job.images // 4, len(job.test))))
    losses: dict[tuple, list[float]] = {}

    def train(rates: tuple[float, ...], cached: bool) -> None:
        group = job.group(job.profile, epochs, cached=cached, rates=rates)
        while not group.finished:
            group.advance()
        score(group, scored)
        losses.update({(state.run, len(rates)): [p["train_loss"] for p in state.curve] for state in group.lanes})

    rows = []
    for cached in (False, True):
        one_by_one = partial(lambda cached: [train((rate,), cached) for rate in RATES], cached)
        ratio = compare(partial(train, RATES, cached), one_by_one, job.device, repeats)
        same = all(losses[run, 1] == found for (run, count), found in losses.items() if count > 1)
        row = {"benchmark": "A lr-grid", "trunk": "kept" if cached else "each batch", "rates": len(RATES)}
        rows.append(row | {"lanes": len(job.profile), "epochs": epochs} | ratio.row() | {"same_losses": same})
    return rows
