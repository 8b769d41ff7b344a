"""C: what else might train equal lanes faster."""

from collections.abc import Callable
from math import ceil
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from subtuning.benchmark.job import Job
from subtuning.benchmark.kernels import kind_of
from subtuning.benchmark.lanes import Plain
from subtuning.benchmark.timing import compare, seconds_of
from subtuning.tuning.tuning import EVERYTHING

LANES = 8
"""Equal ones: the same layer with other seeds, as in an evaluation."""


def by_compiling(job: Job, repeats: int, backend: str = "inductor") -> list[dict[str, Any]]:
    """A plain step of full fine-tuning by `torch.compile` against one as it is.

    `warm_up_s` is what the first two compiled steps take longer than the first two others, and `pays_after` the number
    of steps that win that back (None if the compiled one is not faster). Torch keeps what it compiled on the disk, so
    that a second call has a shorter warm-up.
    """
    plain, compiled = (Plain(job, EVERYTHING, job.batch) for _ in range(2))
    compiled.network = torch.compile(compiled.network, backend=backend)
    first = [sum(seconds_of(each.step, job.device) for _ in range(2)) for each in (plain, compiled)]
    ratio = compare(compiled.step, plain.step, job.device, repeats)
    warm_up, gain = max(first[1] - first[0], 0.0), ratio.other - ratio.ours
    pays = ceil(warm_up / gain) if gain > 0 else None
    return [{"benchmark": "C compile"} | ratio.row() | {"warm_up_s": round(warm_up, 2), "pays_after": pays}]


class Equal:
    """A convolution in several equal lanes, each with images and weights of its own; `gradient` is that of an output.

    Every way gives the gradients to all images, then to all weights.
    """

    def __init__(self, layer: nn.Conv2d, shape: torch.Size, lanes: int, device: torch.device, low: torch.dtype):
        self.layer, self.device = layer, device
        self.images, self.weights = (
            [torch.randn(like, device=device, dtype=low).to(memory_format=torch.channels_last) for _ in range(lanes)]
            for like in (shape, layer.weight.shape)
        )
        for tensor in (*self.images, *self.weights):
            tensor.requires_grad_(True)
        self.gradient = torch.randn_like(self._convolve(self.images[0], self.weights[0], 1))
        self.streams = [torch.cuda.Stream(device) for _ in range(lanes)] if device.type == "cuda" else []

    @property
    def ways(self) -> dict[str, Callable[[], list[Tensor]]]:
        """What is tried in place of one after another."""
        found: dict[str, Callable[[], list[Tensor]]] = {"grouped": self.grouped}
        if self.layer.kernel_size == (1, 1) and self.layer.groups == 1 and self.layer.stride == (1, 1):
            found["bmm"] = self.multiplied
        return found | ({"streams": self.on_streams} if self.streams else {})

    def _convolve(self, images: Tensor, weight: Tensor, lanes: int) -> Tensor:
        padding = [size // 2 for size in self.layer.kernel_size]
        return F.conv2d(images, weight, None, self.layer.stride, padding, groups=lanes * self.layer.groups)

    def _of_lane(self, lane: int) -> tuple[Tensor, ...]:
        images, weight = self.images[lane], self.weights[lane]
        return torch.autograd.grad(self._convolve(images, weight, 1), (images, weight), self.gradient)

    def in_turn(self) -> list[Tensor]:
        """One lane after another."""
        found = [self._of_lane(lane) for lane in range(len(self.images))]
        return [pair[part] for part in (0, 1) for pair in found]

    def on_streams(self) -> list[Tensor]:
        """Each lane on a stream of a GPU of its own."""
        current, found = torch.cuda.current_stream(self.device), []
        for lane, stream in enumerate(self.streams):
            stream.wait_stream(current)
            with torch.cuda.stream(stream):
                found.append(self._of_lane(lane))
        for stream in self.streams:
            current.wait_stream(stream)
        return [pair[part] for part in (0, 1) for pair in found]

    def grouped(self) -> list[Tensor]:
        """One convolution with a group (or several) a lane; putting tensors side by side counts."""
        lanes = len(self.images)
        output = self._convolve(torch.cat(self.images, 1), torch.cat(self.weights), lanes)
        gradient = self.gradient.repeat(1, lanes, 1, 1)
        return list(torch.autograd.grad(output, (*self.images, *self.weights), gradient))

    def multiplied(self) -> list[Tensor]:
        """One batch of matrix products, places x channels of each lane; putting tensors side by side counts."""
        rows = torch.stack(self.images).movedim(2, -1).flatten(1, 3)
        output = torch.bmm(rows, torch.stack(self.weights).flatten(2).transpose(1, 2))
        gradient = self.gradient.movedim(1, -1).flatten(0, 2).expand_as(output)
        return list(torch.autograd.grad(output, (*self.images, *self.weights), gradient))


def by_fusing(job: Job, repeats: int) -> list[dict[str, Any]]:
    """Forward and backward pass of a convolution in `LANES` equal lanes, as one operation or on streams of their own,
    against one after another: of each kind in the network the one with most operations.

    Kernels are started one by one from Python, as without CUDA graphs.
    """
    rows = []
    for kind, (layer, shape) in largest(job).items():
        equal = Equal(layer, shape, LANES, job.device, job.low or torch.float32)
        about: dict[str, Any] = {"benchmark": "C fused", "kernels": kind, "input": "x".join(map(str, shape))}
        about |= {"output_channels": layer.out_channels}
        for way, function in equal.ways.items():
            ratio = compare(function, equal.in_turn, job.device, repeats)
            rows.append(about | {"lanes": LANES, "way": way} | ratio.row())
    return rows


def largest(job: Job) -> dict[str, tuple[nn.Conv2d, torch.Size]]:
    """Kind (`1x1`, `depthwise` ...) -> of its convolutions that with most operations, and its input's shape."""
    found: dict[str, tuple[int, nn.Conv2d, torch.Size]] = {}

    def note(layer: nn.Conv2d, inputs: tuple[Tensor], output: Tensor) -> None:
        kind = kind_of(layer.weight, layer.groups)
        work = output[0, 0].numel() * layer.weight.numel()
        if work > found.get(kind, (0,))[0]:
            found[kind] = (work, layer, inputs[0].shape)

    network = job.network().to(job.device).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note)
    with torch.no_grad():
        network(job.batch[0])
    return {kind: (layer, shape) for kind, (_, layer, shape) in found.items()}
