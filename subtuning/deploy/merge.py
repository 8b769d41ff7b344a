"""The timm model that a run stands for: its trained layers merged, its head in the place of timm's classifier."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from subtuning.backbones.describe import resize_input
from subtuning.backbones.graph import split_model
from subtuning.backbones.models import find_architecture
from subtuning.backbones.weights import architecture_of, new_model
from subtuning.config import Recipe
from subtuning.errors import UserError, listed
from subtuning.training.runner import load_network, spec_of
from subtuning.tuning.adapters import adapter_of
from subtuning.tuning.head import new_head
from subtuning.tuning.lane import Lane, Trunk
from subtuning.tuning.tuning import Tuning

OFF = "set deliver: {method: none}, which delivers nothing"


class Trained:
    """A finished run's network on the CPU, in float32 and eval mode.

    Attributes:
        trunk, lane: as in the training; the lane holds the trained tensors.
    """

    def __init__(
        self,
        layers: dict[str, Any],
        weights: Path,
        identity: Mapping[str, Any],
        tensors: dict[str, Tensor],
        classes: int,
    ):
        self.layers, self.weights, self.classes = layers, weights, classes
        self.tuning = Tuning.of_identity(identity)
        self.network = load_network(layers, weights)
        self.trunk = Trunk(split_model(self.network, layers["granularity"]), fold=False)
        head = new_head(layers["features"], classes, Recipe(**identity["recipe"]), identity["seed"])
        self.lane = Lane(self.trunk, self.tuning, head).eval()
        own = self.lane.trained_state()
        if {name: tensor.shape for name, tensor in own.items()} != {n: t.shape for n, t in tensors.items()}:
            raise UserError(
                f"the trained tensors ({listed(tensors, 3)} ...) are not those of {self.tuning} in "
                f"{layers['model']} ({listed(own, 3)} ...); train the run again with this version of subtuning"
            )
        for name, tensor in own.items():
            tensor.data.copy_(tensors[name])

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Of normalised images, N x 3 x S x S: N x classes, as the training computed them in full precision."""
        return self.lane(self.trunk.values_at(images, [self.lane.cut])[self.lane.cut])

    def model(self) -> nn.Module:
        """The same as a plain timm model, in eval mode.

        Raises:
            UserError: the head does not fit into timm's model.
        """
        merge, state = adapter_of(self.tuning.how).merge, self.network.state_dict()
        for layer in self.lane.trained.values():
            state |= {name: tensor for name, tensor in merge(layer).state_dict().items() if name in state}
        return _with_head(self._new_model(), state, self.lane.head, self.layers["model"])

    def _new_model(self) -> nn.Module:
        known = architecture_of(self.weights) or find_architecture(self.layers["model"])
        return resize_input(new_model(known, self.classes), spec_of(self.layers))


def _with_head(model: nn.Module, state: dict[str, Tensor], head: nn.Module, name: str) -> nn.Module:
    """Load a network's state without classifier, and the trained head as its classifier.

    Models with two classifiers (distilled ones) take the mean of both, so each gets the head; a BatchNorm before a
    classifier is made to change nothing.
    """
    if not isinstance(head, nn.Linear):
        raise UserError(f"recipe.head: timm's models have no mlp head, so such a run cannot be delivered; {OFF}")
    extra = set(model.state_dict()) - set(state)
    inside = {p: m for p, m in model.named_modules() if any(n.rpartition(".")[0] == p for n in extra)}
    linear = [m for m in inside.values() if isinstance(m, nn.Linear) and m.weight.shape == head.weight.shape]
    norms = [m for m in inside.values() if isinstance(m, nn.BatchNorm1d)]
    if not linear or len(linear) + len(norms) < len(inside) or any(m.bias is None for m in linear):
        raise UserError(
            f"the classifier of {name} in timm is not one linear layer, which is what was trained, so this run cannot "
            f"be delivered; {OFF}"
        )
    model.load_state_dict(state, strict=False)
    for module in linear:
        module.load_state_dict(head.state_dict())
    for norm in norms:
        norm.reset_parameters()
        norm.load_state_dict({"running_var": torch.full_like(norm.weight, 1 - norm.eps)}, strict=False)
    return model.eval()
