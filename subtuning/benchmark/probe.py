"""How fast this machine trains a backbone, from a few seconds of real training steps.

The very trainer that the workflow uses trains a few lanes on noise; how fast it is depends neither on what the images
show nor on what the weights are. Nothing is kept.
"""

import contextlib
import io
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from subtuning.config import Config, Recipe
from subtuning.runs import Backbone, Run, Split, Store
from subtuning.search.study import candidates
from subtuning.tasks import Task
from subtuning.training.checkpoints import Checkpoints
from subtuning.training.device import choose_device, device_name
from subtuning.training.interrupt import Interrupted
from subtuning.training.runner import Trainer
from subtuning.training.schedule import Workplace
from subtuning.tuning.precision import resolve_precision
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, Tuning
from subtuning.workspace.forecast import Speed, lane_flops
from subtuning.workspace.paths import Results
from subtuning.workspace.prepared import prepare_backbone, prepared_backbone

WORK = {"cpu": 5e10, "cuda": 1e13}
"""FLOPs of the measurement: one to five seconds on a laptop's cores."""

EPOCHS = 4
"""Of the second measurement of heads: what it takes longer than the first one are steps."""

IDLE = 1.15
"""How much longer a quiet machine takes than its cores' time, since threads wait for each other."""

LANES = 5
"""Layers that are tried, evenly over the network, besides all of it."""

SEEDS = 2
"""Groups of lanes: on a CPU some are trained side by side."""


def measure_speed(
    layers: dict[str, Any], weights: Path, recipe: Recipe, classes: int, image_size: Sequence[int], device: str = "auto"
) -> Speed:
    """Train for some seconds.

    Args:
        layers: the content of the backbone's `layers.json`; `weights` is its `weights.safetensors`.
        image_size: (H, W, C) in which the task's images are stored.
    """
    place = choose_device(device)
    small = recipe.model_copy(update={"epochs": 1, "precision": resolve_precision(recipe.precision, place)})
    chosen = _spread(layers)
    one = SEEDS * sum(lane_flops(tuning, layers) for tuning in chosen)
    work = WORK.get(place.type, WORK["cpu"])
    if 8 * one > work:  # a large network: fewer lanes rather than batches of next to nothing
        chosen = [chosen[len(chosen) // 2], EVERYTHING]
        one = SEEDS * sum(lane_flops(tuning, layers) for tuning in chosen)
    count = int(min(max(work / one, 4), 4 * recipe.batch_size))
    trainers = _Trainers(layers, weights, small, classes, image_size, place)
    with tempfile.TemporaryDirectory() as folder:
        make = partial(trainers.seconds, Path(folder))
        make(4, [*chosen, ONLY_HEAD])  # whatever is only done once
        heads, steps = [ONLY_HEAD] * LANES, SEEDS * -(-count // recipe.batch_size)
        once, more = make(count, heads), make(count, heads, EPOCHS)
        lanes = make(count, chosen)
    step = max(more.quiet - once.quiet, 0) / ((EPOCHS - 1) * LANES * steps)
    run = max(once.quiet - step * LANES * steps, 0) / (LANES * SEEDS)
    besides = len(chosen) * (steps * step + SEEDS * run)
    rest = max(lanes.quiet - besides, 0.2 * lanes.quiet)
    busy = lanes.wall + more.wall > 1.5 * (lanes.quiet + more.quiet)
    return Speed(count * one / rest, step, run, device_name(place), busy)


def measure_unprepared(
    config: Config, backbone: str, classes: int, channels: int, device: str = "auto"
) -> tuple[dict[str, Any], Speed]:
    """The layers of a backbone, as in `layers.json`, and how fast it trains here with random weights."""
    entry = config.backbones[backbone]
    random = config.model_copy(update={"backbones": {backbone: entry.model_copy(update={"weights": "random"})}})
    with tempfile.TemporaryDirectory() as folder:
        prepare_backbone(random, backbone, Path(folder))
        layers = prepared_backbone(random, backbone, Path(folder))
        assert layers, "it was just made"
        stored = (layers["input_size"], layers["input_size"], channels)
        weights = Results(Path(folder)).weights(backbone)
        return layers, measure_speed(layers, weights, config.recipe, classes, stored, device)


@dataclass(frozen=True)
class _Spent:
    """Seconds that passed, and those that a quiet machine takes for the same."""

    wall: float
    quiet: float


def _spread(layers: Mapping[str, Any]) -> list[Tuning]:
    names = candidates(layers)
    places = sorted({round(place) for place in np.linspace(0, len(names) - 1, LANES)})
    return [*(Tuning((names[place],)) for place in places), EVERYTHING]


class _Trainers:
    """Makes a task of noise and trains on it."""

    def __init__(
        self,
        layers: dict[str, Any],
        weights: Path,
        recipe: Recipe,
        classes: int,
        image_size: Sequence[int],
        device: torch.device,
    ):
        self.layers, self.weights, self.recipe, self.device = layers, weights, recipe, device
        height, width, channels = image_size
        self.classes, self.image_size = classes, (height, width, channels)

    def seconds(self, folder: Path, count: int, tunings: Sequence[Tuning], epochs: int = 1) -> _Spent:
        """Of training each of the tunings on `count` images with all seeds, trunk and images loaded."""
        folder = Path(tempfile.mkdtemp(dir=folder))
        task, backbone = self._task(folder, count), Backbone.of(self.layers)
        lr = self.recipe.lr  # equal runs would be one: each lane has a rate of its own
        recipes = [
            self.recipe.model_copy(update={"lr": lr * (1 + place / 1000), "epochs": epochs})
            for place in range(len(tunings))
        ]
        runs = [
            Run(task.sha256, Split("test"), backbone, tuning, recipe, seed)
            for seed in range(SEEDS)
            for tuning, recipe in zip(tunings, recipes, strict=True)
        ]
        place = Workplace(
            task, self.layers, self.weights, Store(folder / "runs"), Checkpoints(folder / "checkpoints"), self.device
        )
        trainer = Trainer(place)
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                trainer.train([run.with_seed(SEEDS) for run in runs[:1]])
                begun, cpu = time.perf_counter(), time.process_time()
                trainer.train(runs)
                wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
        except Interrupted:
            raise KeyboardInterrupt from None
        quiet = IDLE * cpu / torch.get_num_threads() if self.device.type == "cpu" else wall
        return _Spent(wall, min(wall, quiet))

    def _task(self, folder: Path, count: int) -> Task:
        chance, counts = np.random.default_rng(0), {"train": count, "val": 2, "test": 2}
        for part, size in counts.items():
            (folder / part).mkdir(parents=True)
            pixels = chance.integers(0, 256, (size, *self.image_size), np.uint8)
            np.save(folder / part / "images.npy", pixels)
            np.save(folder / part / "labels.npy", np.arange(size) % self.classes)
        names = tuple(map(str, range(self.classes)))
        return Task("noise", names, "0" * 64, self.image_size, counts, folder)
