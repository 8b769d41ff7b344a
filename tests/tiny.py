"""Small networks, images and runs, in float64, on which exactness can be tested."""

import numpy as np
import torch
from torch import nn

from subtuning.backbones.describe import build_network
from subtuning.backbones.graph import split_model
from subtuning.config import BackboneEntry, Recipe
from subtuning.runs import Backbone, Run, Split
from subtuning.training.data import Images
from subtuning.training.loop import LaneGroup
from subtuning.training.scoring import score
from subtuning.tuning.lane import Trunk
from subtuning.tuning.tuning import Tuning

CPU = torch.device("cpu")
SIZE = 32
CLASSES = 4


def shaken_network(model: str, size: int = SIZE) -> nn.Module:
    """An untrained network in float64 in which every parameter and statistic matters."""
    return shake(build_network(BackboneEntry(model=model, input_size=size)))


def shake(network: nn.Module, dtype: torch.dtype = torch.float64) -> nn.Module:
    """Move all parameters and statistics, always the same way, and return the network in `dtype`.

    Fresh models hide errors: their residual branches begin at zero, their BatchNorm statistics at 0 and 1.
    """
    network, rng = network.eval().to(dtype), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=rng, dtype=dtype)
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                shape = module.running_mean.shape
                module.running_mean += 0.3 * torch.randn(shape, generator=rng, dtype=dtype)
                module.running_var *= 0.5 + torch.rand(shape, generator=rng, dtype=dtype)
    return network


def shaken_trunk(model: str, fold: bool = True) -> Trunk:
    """Always the same trunk of a model, new in memory."""
    return Trunk(split_model(shaken_network(model)), fold).to(CPU, torch.float64)


def backbone(**changes) -> Backbone:
    """A backbone's identity that does nothing to images of the tiny size but shift and scale them."""
    values = {
        "model": "tiny",
        "weights_sha256": "0" * 64,
        "input_size": SIZE,
        "interpolation": "bilinear",
        "mean": (0.5, 0.4, 0.3),
        "std": (0.5, 0.6, 0.7),
        "granularity": "layer",
    }
    return Backbone(**values | changes)


def recipe(**changes) -> Recipe:
    """Batches of eight images, two epochs, in full precision."""
    values = {"epochs": 2, "batch_size": 8, "lr": 1e-2, "weight_decay": 0.05, "precision": "fp32"}
    return Recipe(**values | changes)


def make_run(layers=(), seed: int = 0, split: Split | None = None, **changes) -> Run:
    """A run of the tiny task; `changes` go to the recipe."""
    tuning = layers if isinstance(layers, Tuning) else Tuning(layers)
    return Run("0" * 64, split or Split("val"), backbone(), tuning, recipe(**changes), seed, names=("task", "net"))


def pictures(count: int, seed: int = 0, size: int = SIZE, channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Noise, brighter with the class: uint8 N x size x size x channels, and labels that hold every class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    noise = rng.integers(0, 160, (count, size, size, channels))
    return (noise + 30 * labels[:, None, None, None]).astype(np.uint8), labels


def images(count: int = 16, seed: int = 0, **changes) -> Images:
    """Images in float64; `changes` go to the backbone."""
    pixels, labels = pictures(count, seed)
    return Images(pixels, labels, backbone(**changes), CPU, torch.float64)


def train(trunk: Trunk, runs: list[Run], features: int) -> LaneGroup:
    """All lanes from the first step to the last."""
    group = LaneGroup(trunk, runs, images().on_device(), CLASSES, features)
    while not group.finished:
        group.advance()
    return group


def states(module: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of a module's parameters and buffers."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def largest_difference(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> float:
    """Over all entries; the names must be the same."""
    assert left.keys() == right.keys()
    assert left
    return max((left[name].double() - right[name].double()).abs().max().item() for name in left)


def metrics_of(group, images, *more, **words) -> list:
    """How right each lane of a group is, as its record would say it."""
    return [found and found.metrics(hits=True) for found in score(group, images, *more, **words)]
