"""What pruning a delivered model's branch costs in accuracy and saves in time (paper, section 4.3)."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from subtuning.analysis.two_way import accuracy_interval
from subtuning.benchmark import latency
from subtuning.benchmark.timing import flops
from subtuning.deploy.multitask import Delivered
from subtuning.deploy.prune import Pruned, Retrained, prune, require_prunable, retrain
from subtuning.tasks import Task
from subtuning.training.device import device_name

NAN = float("nan")


@dataclass(frozen=True)
class Level:
    """A network that lost a fraction of its channels, and the trainings after it, one a seed."""

    pruned: Pruned
    trained: Sequence[Retrained]

    def cells(self) -> dict[str, float]:
        """Its accuracy before and after the trainings; NaN where one of them diverged."""
        before, after = self.trained[0].before, [each.after for each in self.trained]
        found = {"before": NAN if before is None else float(before.mean()), "mean": NAN, "ci_low": NAN, "ci_high": NAN}
        if known := [right for right in after if right is not None]:
            found |= {"seeds": len(after), "images": len(known[0])}
        if len(known) == len(after):
            interval = accuracy_interval(np.stack(known))
            found |= {"mean": interval.mean, "ci_low": interval.low, "ci_high": interval.high}
        return found


def levels(
    delivered: Delivered, task: Task, fractions: Sequence[float], epochs: int, seeds: int, device: torch.device
) -> list[Level]:
    """Prune by each fraction, and by 0, which shows what the training alone does; then train again, and say so.

    Raises:
        UserError: the model cannot be pruned (see `deploy.prune`).
    """
    require_prunable(delivered)
    networks = [prune(delivered, fraction, device) for fraction in sorted({0.0, *fractions})]
    found = []
    for pruned in networks:
        found.append(Level(pruned, [retrain(pruned, task, epochs, seed) for seed in range(seeds)]))
        cells = found[-1].cells()
        words = f"{cells['before']:.1%} right, {cells['mean']:.1%} trained again"
        print(f"without {pruned.fraction:.0%} of the channels: {words}", file=sys.stderr)
    return found


def pruning_table(
    found: Sequence[Level], epochs: int, batch_sizes: Sequence[int], device: torch.device, seconds: float
) -> pd.DataFrame:
    """For each batch size a row for each level.

    Args:
        seconds: of measuring, for each batch size, about.

    Returns:
        fraction, epochs, batch_size; `parameters` and `flops` (of one image) of the branch; `added_mb` (10^6 bytes that
        the task holds for itself); `added_ms` (median), `low_ms` and `high_ms` (quartiles) over `n` measurements, and
        `added_percent`, of the branch as it was; accuracy on test (0-1): `before` the training, and `mean` after it,
        with `ci_low` and `ci_high` over `seeds` x `images` (NaN for one seed); device, threads.
    """
    size, rows = found[0].pruned.delivered.backbone["input_size"], list[dict[str, Any]]()
    for number in batch_sizes:
        images = torch.randn(number, 3, size, size, device=device)
        calls = {str(level.pruned.fraction): _call(level.pruned, images) for level in found}
        measured = latency.measure(calls, device, seconds)
        for level in found:
            row = {"fraction": level.pruned.fraction, "epochs": epochs, "batch_size": number}
            row |= _size(level.pruned, images[:1])
            own, whole = measured[str(level.pruned.fraction)], measured["0.0"]
            rows.append(row | level.cells() | latency.cells(own, whole))
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    return pd.DataFrame(rows).assign(device=device_name(device), threads=threads)


@torch.no_grad()
def _call(pruned: Pruned, images: Tensor) -> Callable[[], object]:
    """The branch, from the trunk's values to logits."""
    branch = pruned.branch
    return partial(branch, pruned.trunk.values_at(images, [branch.cut])[branch.cut])


def _size(pruned: Pruned, image: Tensor) -> dict[str, float]:
    """Parameters and operations of a branch, and the 10^6 bytes of it that are not the trunk's."""
    branch = pruned.branch
    layers = nn.ModuleList(segment.module for segment in pruned.trunk.original[branch.cut :])
    everything = [*layers.state_dict().values(), *branch.head.state_dict().values()]
    own = everything if pruned.fraction else [*branch.trained_state().values()]
    return {
        "parameters": sum(p.numel() for p in (*layers.parameters(), *branch.head.parameters())),
        "flops": flops(_call(pruned, image)),
        "added_mb": sum(tensor.nbytes for tensor in own) / 1e6,
    }
