"""What a further task costs a network that already serves one: time and memory, by the layers that it tunes (paper,
section 4.3)."""

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from subtuning.backbones.graph import split_model
from subtuning.benchmark.timing import seconds_of
from subtuning.errors import UserError
from subtuning.search.study import candidates
from subtuning.training.device import device_name
from subtuning.training.runner import load_network
from subtuning.tuning.lane import Lane, Trunk
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, WEIGHTS, How, Tuning

TIMM = "timm alone"
"""The row of a network of its own as timm runs it. `full` is one too, in this package's code."""

LEAST, MOST = 10, 300
"""Measurements of each row, whatever time there is."""


@dataclass(frozen=True)
class Choice:
    """Layers that a task may tune, and what is known of how good that is.

    Attributes:
        tuning: trained in another way than `weights`, the layers are not merged: they are computed as in the training.
        score: mean over the folds of a cross-validation, NaN where it is not known.
    """

    name: str
    tuning: Tuning
    score: float = float("nan")


def choices(
    layers: Mapping[str, Any], profile: pd.DataFrame | None = None, selected: Mapping[str, Any] | None = None
) -> list[Choice]:
    """A head alone, each layer alone, the greedy search's layers, all layers; the last two also with LoRA, not merged.

    Args:
        layers: the content of layers.json.
        profile: the table of the profile, if there is one.
        selected: the content of selected.json, if there is one.
    """
    known = {} if profile is None else dict(zip(profile["layer"], profile["mean"], strict=True))
    plain = {"linear": ONLY_HEAD, **{name: Tuning((name,)) for name in candidates(layers)}, "full": EVERYTHING}
    found = [Choice(name, tuning, known.get(name, float("nan"))) for name, tuning in plain.items()]
    how = How("lora")
    if selected and (greedy := Tuning.parse(selected["tuning"], [row["name"] for row in layers["layers"]])).layers:
        how = how if greedy.how == WEIGHTS else greedy.how
        # a single score is that on val, which does not compare with the profile's
        score = selected["score"] if len(selected["scores"]) > 1 else float("nan")
        found.append(Choice("greedy", Tuning(greedy.layers), score))
    return [*found, *(Choice(f"{c.name}, {how}", Tuning(c.tuning.layers, how)) for c in found if c.name in _UNMERGED)]


_UNMERGED = ("full", "greedy")


def latencies(
    layers: Mapping[str, Any],
    weights: Path,
    tried: Sequence[Choice],
    classes: int,
    batch_sizes: Sequence[int],
    device: torch.device,
    seconds: float,
) -> pd.DataFrame:
    """The table: for each batch size a row for each choice, and one for timm's own network.

    A choice's time is that of its branch, from the trunk's values at its cut to its logits. All rows of a batch size
    are measured in turn, in a new order each time, so that a busy machine slows all of them alike.

    Args:
        weights: the file of the backbone's fetched weights.
        seconds: for each batch size, about.

    Returns:
        name, layers (a tuning's printed name), stage, batch_size; `added_ms` (median), `low_ms` and `high_ms`
        (quartiles) over `n` measurements; `added_percent`, of `full`, which shares nothing; `added_mb` (10^6 bytes of
        tensors held); `mean`, the score (0-1); device, threads.
    """
    trunk = Trunk(split_model(load_network(dict(layers), weights), layers["granularity"]), fold=False)
    tried = [choice for choice in tried if _can_train(trunk, choice.tuning)]
    alone = nn.Sequential(load_network(dict(layers), weights), nn.Linear(layers["features"], classes))
    alone.eval().requires_grad_(False).to(device)
    trunk.to(device, torch.float32)
    branches = {c: _branch(trunk, c.tuning, layers["features"], classes).to(device) for c in tried}
    memory = {c.name: _bytes(branch.trained_state()) for c, branch in branches.items()}
    memory[TIMM] = _bytes(alone.state_dict())
    stages = {row["name"]: row["stage"] for row in layers["layers"]}
    rows: list[dict[str, Any]] = []
    for size in batch_sizes:
        images = torch.randn(size, 3, layers["input_size"], layers["input_size"], device=device)
        found = measure(_calls(trunk, branches, alone, images), device, seconds)
        for choice in [*tried, Choice(TIMM, EVERYTHING)]:
            about = {"name": choice.name, "layers": str(choice.tuning), "stage": stages.get(choice.name, "")}
            rows.append(about | {"batch_size": size} | cells(found[choice.name], found["full"]))
            rows[-1] |= {"added_mb": memory[choice.name] / 1e6, "mean": choice.score}
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    return pd.DataFrame(rows).assign(device=device_name(device), threads=threads)


def _can_train(trunk: Trunk, tuning: Tuning) -> bool:
    """Whether the layers of a choice have something for its way of training."""
    try:
        trunk.trained_by(tuning)
    except UserError:
        return False
    return True


@torch.no_grad()
def _branch(trunk: Trunk, tuning: Tuning, features: int, classes: int) -> Lane:
    """What a task computes for itself. What it has learned changes no time, so it is as pretrained."""
    return Lane(trunk, tuning, nn.Linear(features, classes)).eval().requires_grad_(False)


def _bytes(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def _calls(
    trunk: Trunk, branches: Mapping[Choice, Lane], alone: nn.Module, images: Tensor
) -> dict[str, Callable[[], object]]:
    """What each row measures."""
    with torch.no_grad():
        values = trunk.values_at(images, sorted({branch.cut for branch in branches.values()}))
    calls: dict[str, Callable[[], object]] = {TIMM: partial(alone, images)}
    return calls | {choice.name: partial(branch, values[branch.cut]) for choice, branch in branches.items()}


@torch.inference_mode()
def measure(calls: Mapping[str, Callable[[], object]], device: torch.device, seconds: float) -> dict[str, list[float]]:
    """Seconds of each call, measured in turn after two of each that do not count."""
    for call in [*calls.values()] * 2:
        call()
    found: dict[str, list[float]] = {name: [] for name in calls}
    order, chance, begun = list(calls), random.Random(0), time.perf_counter()
    for number in range(MOST):
        if number >= LEAST and time.perf_counter() - begun > seconds:
            break
        chance.shuffle(order)
        for name in order:
            found[name].append(seconds_of(calls[name], device))
    return found


def cells(seconds: Sequence[float], whole: Sequence[float]) -> dict[str, float]:
    """Milliseconds of a row that was measured, their number, and their share of the row of which it is a part."""
    low, median, high = (float(value) for value in 1000 * np.quantile(seconds, [0.25, 0.5, 0.75]))
    share = {"added_percent": median / 10 / statistics.median(whole), "n": len(seconds)}
    return {"added_ms": median, "low_ms": low, "high_ms": high} | share
