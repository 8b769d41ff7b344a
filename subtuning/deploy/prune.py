"""Structured pruning of what a delivered model computes for its own task (paper, section 4.3): channels are removed
from its branch, never from the trunk, and the layers that were tuned are trained again for a short time.

torch-pruning (Fang et al., arXiv 2301.12900) finds which channels depend on each other. Of each such group the same
share is removed: those with the least L2 norm of their weights, which training on train and val has made; no image
is looked at. A group with a channel of the trunk in it, as behind a skip connection, stays whole.
"""

import copy
import sys
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from subtuning.backbones.graph import split_model
from subtuning.config import Recipe
from subtuning.deploy.multitask import Delivered
from subtuning.errors import UserError
from subtuning.runs import Backbone, Run, Split
from subtuning.tasks import Task
from subtuning.training.data import Images, load_source
from subtuning.training.device import make_repeatable
from subtuning.training.loop import LaneGroup
from subtuning.training.memory import hold
from subtuning.training.objectives import objective_of
from subtuning.training.scoring import score
from subtuning.tuning.adapters import adapter_of
from subtuning.tuning.lane import Lane, Trunk
from subtuning.tuning.precision import low_type
from subtuning.tuning.tuning import Tuning

PACKAGE = "torch-pruning"
"""What it takes; the extra `prune` of this package has it."""

MULTIPLE = 8
"""The channels that are left of a layer are a multiple of so many, as in MobileNetV2's code; a layer of which none
would be left stays whole."""


@dataclass
class Pruned:
    """A network whose branch has lost channels.

    Attributes:
        fraction: of the channels of each layer of the branch, 0-1.
        network: timm's, with nothing in the place of its classifier.
        head: the classifier of the features that are left.
        trunk: the network cut into layers, on the device; it shares the network's tensors.
    """

    fraction: float
    network: nn.Module
    head: nn.Linear
    trunk: Trunk
    delivered: Delivered

    @property
    def branch(self) -> Lane:
        """What the task computes for itself, adapters merged, as it is before the training."""
        return Lane(self.trunk, Tuning(self.delivered.tuning.layers), self.head).eval().requires_grad_(False)

    def whole(self, lane: Lane) -> nn.Module:
        """The network as a lane has trained it, with its classifier, on the CPU; it answers as the lane does."""
        network, merge = copy.deepcopy(self.network).cpu(), adapter_of(self.delivered.tuning.how).merge
        for layer in lane.trained.values():
            state = merge(copy.deepcopy(layer)).state_dict()
            network.load_state_dict({n: t for n, t in state.items() if n in network.state_dict()}, strict=False)
        (classifier,) = self.delivered.model.classifiers
        network.set_submodule(classifier, copy.deepcopy(lane.head).cpu())
        return network.eval().requires_grad_(False)


@dataclass
class Retrained:
    """A pruned network after a short training.

    Attributes:
        lane: the branch.
        before, after: which of the N test images it gets right, before the training and after; None where it diverged.
    """

    lane: Lane
    before: np.ndarray | None
    after: np.ndarray | None


def require_torch_pruning() -> None:
    """Raise `UserError` where the package is missing."""
    if find_spec("torch_pruning") is None:
        raise UserError(f"pruning takes a package that is not installed; get it with `pip install {PACKAGE}`")


def require_prunable(delivered: Delivered) -> None:
    """Raise `UserError` unless a model has a branch, was not trained on test images, and has one linear classifier."""
    folder, model = delivered.folder, delivered.model
    if not delivered.tuning.layers:
        raise UserError(f"{folder} has only a head of its own, so nothing of it can be pruned")
    if delivered.identity["split"] != "test":
        raise UserError(
            f"{folder} was trained on all images, so none are left to say what pruning costs; deliver it with "
            "--data trainval"
        )
    found = [model.network.get_submodule(name) for name in model.classifiers]
    if len(found) != 1 or not isinstance(found[0], nn.Linear):
        raise UserError(f"{folder}: the classifier is not one linear layer, so this network cannot be pruned here")


def prune(delivered: Delivered, fraction: float, device: torch.device) -> Pruned:
    """A copy of a delivered model without this share (0-1) of the channels of each layer of its branch.

    Raises:
        UserError: there is nothing to prune, or torch-pruning cannot follow the network.
    """
    network: Any = copy.deepcopy(delivered.model.network).cpu()
    (classifier,), size = delivered.model.classifiers, delivered.backbone["input_size"]
    if fraction:
        kept = [*_modules_of_trunk(network, delivered), *_attention(network), network.get_submodule(classifier)]
        _remove_channels(network, kept, torch.zeros(1, 3, size, size), fraction)
    head: Any = network.get_submodule(classifier)
    network.set_submodule(classifier, nn.Identity())
    trunk = Trunk(split_model(network, delivered.backbone["granularity"]), fold=False).to(device, torch.float32)
    return Pruned(fraction, network, head.to(device), trunk, delivered)


def _modules_of_trunk(network: nn.Module, delivered: Delivered) -> list[nn.Module]:
    """The modules with parameters below the lowest tuned layer."""
    headless = copy.deepcopy(network)
    headless.set_submodule(delivered.model.classifiers[0], nn.Identity())
    segments = split_model(headless, delivered.backbone["granularity"])
    names = [segment.name for segment in segments]
    shared = segments[: names.index(delivered.tuning.of(names)[0])]
    owners = {parameter.rpartition(".")[0] for segment in shared for parameter in segment.parameters}
    return [network.get_submodule(name) for name in sorted(owners) if name]


def _attention(network: nn.Module) -> list[nn.Module]:
    """Modules that split their channels into heads, whose number and size stand in their code."""
    return [module for module in network.modules() if hasattr(module, "num_heads") and module is not network]


def _remove_channels(network: nn.Module, kept: list[nn.Module], seen: Tensor, fraction: float) -> None:
    """Remove channels in place, but no outputs of the modules in `kept`; `seen` goes in, 1 x 3 x S x S."""
    import torch_pruning

    before = sum(parameter.numel() for parameter in network.parameters())
    options: dict[str, Any] = {"pruning_ratio": fraction, "ignored_layers": kept, "round_to": MULTIPLE}
    # by default all pruners share these dicts
    options |= {"in_channel_groups": {}, "out_channel_groups": {}, "num_heads": {}}
    try:
        network.requires_grad_(True)  # dependencies are followed along gradients
        importance = torch_pruning.importance.GroupMagnitudeImportance(p=2)
        torch_pruning.pruner.BasePruner(network, seen, importance, **options).step()
        network.requires_grad_(False)
        network(seen)
    except Exception as error:  # it has several for what it cannot follow
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(f"{type(network).__name__} cannot be pruned by {PACKAGE} ({why})") from None
    if sum(parameter.numel() for parameter in network.parameters()) == before:
        raise UserError(
            f"of this model's branch nothing can be pruned by {fraction:g}: its channels are the trunk's too, or "
            f"fewer than {MULTIPLE} would be left; raise --fractions, or deliver a method that tunes an earlier layer"
        )


def retrain(pruned: Pruned, task: Task, epochs: int, seed: int) -> Retrained:
    """Train the tuned layers and the head again, as they are after pruning, and look at the test images.

    The recipe is that of the delivered run but for its epochs. What was frozen in the branch stays frozen.
    """
    delivered, device = pruned.delivered, next(pruned.network.parameters()).device
    make_repeatable()
    recipe = Recipe(**delivered.identity["recipe"] | {"epochs": epochs})
    seen = Backbone.of(delivered.backbone)
    run = Run(task.sha256, Split("test"), seen, delivered.tuning, recipe, seed)
    images = {part: load_source(part, task, seen, device) for part in ("trainval", "test")}
    train = hold(images["trainval"], partial(print, file=sys.stderr))
    trunk = pruned.trunk.in_precision(low_type(recipe.precision))
    head = pruned.head
    group = LaneGroup(trunk, [run], train, head.out_features, head.in_features)
    group.lanes[0].lane.head.load_state_dict(head.state_dict())
    before = _right(group, images["test"])
    while not group.finished:
        group.advance()
    return Retrained(group.lanes[0].lane.eval(), before, _right(group, images["test"]))


def _right(group: LaneGroup, images: Images) -> np.ndarray | None:
    """Which images the only lane of a group gets right, N."""
    (found,) = score(group, images)
    return None if found is None else objective_of(found.labels).right(found.predictions, found.labels)
