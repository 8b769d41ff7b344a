"""One trunk, many tasks: several delivered models of one backbone in one network (paper, section 4.3).

Up to its lowest changed layer a task takes what the trunk computes once for all; from there on it has a branch, whose
unchanged layers are those of the trunk. Layers that a task has changed come from its `model.safetensors`, so adapters
are merged, and the pretrained weights themselves are not needed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from subtuning.backbones.graph import Segment, split_model
from subtuning.deploy.folder import BATCH, Model, load_timm
from subtuning.errors import UserError
from subtuning.training.outcome import read_trained
from subtuning.tuning.lane import Lane, Trunk
from subtuning.tuning.tuning import Tuning


class MultiTaskModel(nn.Module):
    """Answers several tasks about an image and computes what they share once.

    Attributes:
        tasks: the name of each task and the names of its classes, in the order of its outputs.
        see: turns a picture of Pillow's (RGB) into what the network sees, 3 x S x S; the same for all tasks.
        cuts: the name of each task and the layer at which its branch begins; None for one that has only a head.

    Args:
        folders: delivered models, by the names that their tasks shall have; without names, they are called by the part
            of their paths in which they differ.

    Raises:
        UserError: a folder is no delivered model, or the models were not made from the same pretrained weights, or see
            images in different ways.
    """

    def __init__(self, folders: Mapping[str, str | Path] | Sequence[str | Path], device: torch.device | None = None):
        super().__init__()
        named = folders if isinstance(folders, Mapping) else name_tasks(folders)
        if not named:
            raise UserError("a model of many tasks needs the folder of one delivered model at least")
        found = {name: Delivered(Path(folder)) for name, folder in named.items()}
        first, *others = found.values()
        for other in others:
            _check_alike(first, other)
        self.tasks = {name: delivered.model.classes for name, delivered in found.items()}
        self.models = {name: delivered.model for name, delivered in found.items()}
        self.see = first.model.see
        device = device or torch.device("cpu")
        self.trunk = Trunk(_segments(list(found.values())), fold=False).to(device, torch.float32)
        names = [segment.name for segment in self.trunk.original]
        self.shared = nn.ModuleList(segment.module for segment in self.trunk.frozen)
        self.branches = nn.ModuleList(_branch(self.trunk, delivered) for delivered in found.values())
        self.cuts = {
            name: names[branch.cut] if branch.cut < len(names) else None
            for name, branch in zip(self.tasks, self.lanes, strict=True)
        }
        self.to(device).eval().requires_grad_(False)

    @property
    def lanes(self) -> list[Lane]:
        """The branch of each task."""
        return [branch for branch in self.branches if isinstance(branch, Lane)]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """From images as `see` gives them, N x 3 x S x S, to the logits of each task, N x its classes."""
        values = self.trunk.values_at(images, [lane.cut for lane in self.lanes])
        return {name: lane(values[lane.cut]) for name, lane in zip(self.tasks, self.lanes, strict=True)}

    def probabilities(self, seen: Iterable[Tensor]) -> Iterator[dict[str, np.ndarray]]:
        """Of images as `see` gives them, `folder.BATCH` at a time: for each task what its model gives."""
        seen, device = iter(seen), next(self.parameters()).device
        while batch := list(islice(seen, BATCH)):
            found = self(torch.stack(batch).to(device))
            yield {name: self.models[name].to_probabilities(logits) for name, logits in found.items()}


class Delivered:
    """A delivered folder: the model that timm loads, and what its delta says of where it comes from.

    Attributes:
        identity: of the run that trained it (see `runs.identity`).
        weights: the sha256 of the pretrained weights; `backbone` says how the network is built and sees images.
    """

    def __init__(self, folder: Path):
        self.folder, self.model = folder, Model(folder)
        file = folder / "delta.safetensors"
        if not file.is_file():
            raise UserError(f"{file} is missing, which says what was trained; deliver the model again")
        try:
            tensors, about = read_trained(file)
        except UserError:
            raise UserError(f"{file} is damaged; deliver the model again") from None
        if not {"identity", "backbone"} <= about.keys():
            raise UserError(f"{file} does not say from which weights it was made; train and deliver the model again")
        self.identity: dict[str, Any] = json.loads(about["identity"])
        self.weights, self.backbone = about["backbone"], self.identity["backbone"]
        self.tuning = Tuning.of_identity(self.identity)
        classes, features = tensors["head.weight"].shape
        self.head = nn.Linear(features, classes)
        self.head.load_state_dict({name: tensors[f"head.{name}"] for name in ("weight", "bias")})

    def state(self) -> dict[str, Tensor]:
        """All tensors of the merged network."""
        return self.model.network.state_dict()


def name_tasks(folders: Sequence[str | Path]) -> dict[str, Path]:
    """Names for delivered folders: the last part of their paths in which all differ (`digits`, `letters` of
    `results/digits/lite0/model` and `results/letters/lite0/model`), else their numbers from 1."""
    paths = [Path(folder) for folder in folders]
    parts = [list(reversed(path.resolve().parts)) for path in paths]
    for level in zip(*parts, strict=False):
        if len(set(level)) == len(paths):
            return dict(zip(level, paths, strict=True))
    return {str(number): path for number, path in enumerate(paths, start=1)}


def _check_alike(first: Delivered, other: Delivered) -> None:
    if first.weights != other.weights:
        raise UserError(
            f"{other.folder} was made from other pretrained weights ({other.weights[:12]}) than {first.folder} "
            f"({first.weights[:12]}); only models of one backbone can share it"
        )
    for key, value in first.backbone.items():
        if value != other.backbone[key] and key != "model":  # weights that are equal may have two names
            raise UserError(
                f"{other.folder} has {key} {other.backbone[key]!r} and {first.folder} {value!r}; models that share a "
                f"backbone must agree: train both with the same backbones.<name>.{key}"
            )


def _segments(found: Sequence[Delivered]) -> list[Segment]:
    """The network without classifier, cut into layers; each layer as pretrained, if any of the tasks has left it so.

    A layer that all have changed is one that every branch has a copy of, and no trunk ever runs.
    """
    network: Any = load_timm(found[0].folder, num_classes=0)
    segments = split_model(network, found[0].backbone["granularity"])
    for delivered in found[1:]:
        state, changed = delivered.state(), _changed(segments, delivered.tuning)
        for segment in segments:
            if segment.name not in changed:
                _load(segment.module, state)
    return segments


def _branch(trunk: Trunk, delivered: Delivered) -> Lane:
    """What a task computes for itself."""
    state = delivered.state()
    changed = _changed(trunk.original, delivered.tuning)
    branch = Lane(trunk, Tuning(changed), delivered.head)
    for layer in branch.trained.values():
        _load(layer, state)
    return branch


def _changed(segments: Sequence[Segment], tuning: Tuning) -> tuple[str, ...]:
    """The layers that a task has changed; of `full` in some way of training, perhaps more than it has."""
    return tuning.of([segment.name for segment in segments])


def _load(layer: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load a layer's tensors, whose names are those in the whole network; constants of its graph are in none."""
    layer.load_state_dict({name: state[name] for name in layer.state_dict() if name in state}, strict=False)
