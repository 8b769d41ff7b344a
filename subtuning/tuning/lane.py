"""A lane: its own copies of the trained layers and head, on top of a trunk that all lanes share."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from subtuning.backbones.graph import Segment, run_segments
from subtuning.errors import UserError
from subtuning.tuning import fold as folding
from subtuning.tuning.adapters import adapted_layers, adapter_of, tensors_of
from subtuning.tuning.convolutions import replace_convolutions
from subtuning.tuning.precision import lower, spare_depthwise
from subtuning.tuning.seeding import seeded
from subtuning.tuning.tuning import WEIGHTS, Tuning

_BATCHNORM = nn.modules.batchnorm._BatchNorm


class Trunk:
    """The frozen pretrained network, in eval mode, cut into segments."""

    def __init__(self, segments: Sequence[Segment], fold: bool = True):
        self.original = list(segments)
        for segment in segments:
            replace_convolutions(segment.module).requires_grad_(False).eval()
        self.frozen = [replace(s, module=folding.fold(s.module)) if fold else s for s in segments]
        self.input = segments[0].inputs[0]
        self.output = segments[-1].outputs[0]
        self.low: torch.dtype | None = None

    def in_precision(self, low: torch.dtype | None) -> "Trunk":
        """This trunk with frozen layers that compute in a lower type; the original layers are shared."""
        if low is None:
            return self
        other = copy.copy(self)
        other.low = low
        other.frozen = [replace(s, module=lower(copy.deepcopy(s.module), low)) for s in self.frozen]
        return other

    def autocast(self) -> torch.autocast:
        """The context in which layers compute."""
        return torch.autocast(self._weight.device.type, self.low or torch.bfloat16, enabled=self.low is not None)

    @property
    def dtype(self) -> torch.dtype:
        """The full precision: that of the original weights."""
        return self._weight.dtype

    @property
    def _weight(self) -> Tensor:
        return next(p for s in self.original for p in s.module.parameters())

    def to(self, device: torch.device, dtype: torch.dtype) -> "Trunk":
        """Move all segments to a device and type, convolutions in the memory layout of the images (channels last)."""
        for segment in (*self.original, *self.frozen):
            segment.module.to(device, dtype)
            for module in segment.module.modules():
                if isinstance(module, nn.Conv2d):  # torch refuses the layout for other ranks, as of Swin's masks
                    module.to(memory_format=torch.channels_last)
        return self

    def trained_by(self, tuning: Tuning) -> tuple[str, ...]:
        """The layers that a tuning trains, in network order (see `adapted_layers`, also for errors)."""
        if tuning.how == WEIGHTS:
            return tuning.of([segment.name for segment in self.original])
        return adapted_layers(tuning, {segment.name: tensors_of(segment.module) for segment in self.original})

    def live_after(self, index: int) -> set[str]:
        """Names of the values that segments from `index` on, or the head, still need."""
        return {name for segment in self.original[index:] for name in segment.inputs} | {self.output}

    def values_at(self, images: Tensor, cuts: Sequence[int]) -> dict[int, dict[str, Tensor]]:
        """The values that exist before each segment in `cuts`, from one pass; call it without gradients.

        Args:
            images: N x 3 x H x W, normalised.
            cuts: segment indices; the number of segments means the features.
        """
        values, at, last = {self.input: images}, {}, max(cuts, default=0)
        with self.autocast():
            for index in range(last + 1):
                live = self.live_after(index)
                values = {name: value for name, value in values.items() if name in live}
                if index in cuts:
                    at[index] = values
                if index < last:
                    values = run_segments([self.frozen[index]], values)
        return at


class Lane(nn.Module):
    """The part of the network that one run computes for itself, from its lowest trained layer on.

    Trained layers are copies, as their adapter makes them; frozen layers in between are the trunk's own, always in
    eval mode, so their BatchNorm uses the pretrained running statistics (as in the published implementation).

    Args:
        seed: what adapters draw follows from it, and from the layer's name; not from other layers or lanes.

    Raises:
        UserError: a layer has nothing that the tuning trains, or options of its way of training are wrong.
    """

    def __init__(self, trunk: Trunk, tuning: Tuning, head: nn.Module, seed: int = 0):
        super().__init__()
        trained = trunk.trained_by(tuning)
        self.cut = cut_of(tuning, trunk)
        self.trained = nn.ModuleDict()
        self.head = head
        self.output, self.full, self._autocast = trunk.output, trunk.dtype, trunk.autocast
        self._path: list[Segment] = []
        self._still: list[nn.Module] = []
        self.own: dict[str, list[nn.Parameter]] = {}
        self._held: frozenset[str] = frozenset()
        for original, frozen in zip(trunk.original[self.cut :], trunk.frozen[self.cut :], strict=True):
            if original.name not in trained:
                self._path.append(frozen)
                continue
            own = self._own(original, trunk, tuning, seed)
            self.trained[original.name.replace(".", "/")] = own
            self._path.append(replace(original, module=own))

    def _own(self, original: Segment, trunk: Trunk, tuning: Tuning, seed: int) -> nn.Module:
        """The lane's copy of a layer, as its adapter makes it."""
        copied = copy.deepcopy(original.module)
        pairs = list(zip(copied.parameters(), original.module.parameters(), strict=True))
        if trunk.low is not None:
            spare_depthwise(copied, trained=True)
        with seeded(seed, original.name):
            own, parameters, trains_batchnorm = adapter_of(tuning.how).adapt(copied, **dict(tuning.how.options))
        if not parameters and tuning.how != WEIGHTS:
            raise UserError(f"{tuning}: layer {original.name!r} has nothing that {tuning.how} trains")
        own.requires_grad_(False)
        for parameter in parameters:
            parameter.requires_grad_(True)
        for parameter, pretrained in pairs:
            if not parameter.requires_grad:
                parameter.data = pretrained.data  # frozen: the trunk's own, no copy
        self.own[original.name] = [p for p in own.parameters() if p.requires_grad]
        norms = [module for module in own.modules() if isinstance(module, _BATCHNORM)]
        self._still += [norm for norm in norms if not trains_batchnorm or _is_frozen(norm)]
        return own

    def train(self, mode: bool = True) -> "Lane":
        """Train mode for what the adapters train; the other BatchNorms keep their pretrained statistics."""
        super().train(mode)
        for module in [*self._still, *(self.trained[name.replace(".", "/")] for name in self._held)]:
            module.eval()
        return self

    def hold(self, layers: Iterable[str]) -> None:
        """Freeze these of the trained layers for now, and train the others: no gradients, and eval mode."""
        held = frozenset(layers)
        for name in held ^ self._held:
            for parameter in self.own[name]:
                parameter.requires_grad_(name not in held)
        self._held = held

    @property
    def trained_parameters(self) -> list[nn.Parameter]:
        """The parameters that the optimiser changes, sooner or later (see `hold`)."""
        return [*(parameter for own in self.own.values() for parameter in own), *self.head.parameters()]

    def trained_state(self) -> dict[str, Tensor]:
        """The trained tensors: parameters and the BatchNorm statistics that go with them, by their names in the
        backbone, and those of the head as `head.<name>`."""
        found = {f"head.{name}": tensor for name, tensor in self.head.state_dict().items()}
        still = {id(tensor) for module in self._still for tensor in module.buffers()}
        own = {id(parameter) for parameter in self.trained_parameters}
        for module in self.trained.values():
            found |= {name: p for name, p in module.named_parameters() if id(p) in own}
            found |= {name: tensor for name, tensor in module.named_buffers() if id(tensor) not in still}
        return found

    def forward(self, values: dict[str, Tensor]) -> Tensor:
        """From the trunk's values at `cut` to logits, N x classes."""
        with self._autocast():
            features = run_segments(self._path, values)[self.output]
        return self.head(features.to(self.full))


def cut_of(tuning: Tuning, trunk: Trunk) -> int:
    """Index of the lowest trained segment, the number of segments when none is trained."""
    names = [segment.name for segment in trunk.original]
    return min(map(names.index, trunk.trained_by(tuning)), default=len(names))


def _is_frozen(norm: nn.Module) -> bool:
    """Whether a norm has parameters and none of them is trained."""
    trained = [parameter.requires_grad for parameter in norm.parameters()]
    return bool(trained) and not any(trained)
