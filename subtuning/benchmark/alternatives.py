"""C: what else might train equal lanes faster, and whether a device's numbers are a processor's."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from subtuning.benchmark.job import Job
from subtuning.benchmark.lanes import Plain
from subtuning.benchmark.timing import compare, seconds_of
from subtuning.tuning.tuning import EVERYTHING

LANES = 8
"""Equal ones: the same layer with other seeds, as in an evaluation."""

STEPS = 10
"""After which losses are compared."""


def by_compiling(job: Job, repeats: int, backend: str = "inductor") -> list[dict[str, Any]]:
    """A plain step of full fine-tuning by `torch.compile` against one as it is.

    `warm_up_s` is what the first two steps take longer than two later ones, and `pays_after` the number of steps that
    win that back (None if the compiled one is not faster).
    """
    plain, compiled = (Plain(job, EVERYTHING, job.batch) for _ in range(2))
    compiled.network = torch.compile(compiled.network, backend=backend)
    first = seconds_of(compiled.step, job.device) + seconds_of(compiled.step, job.device)
    ratio = compare(compiled.step, plain.step, job.device, repeats)
    warm_up, gain = first - 2 * ratio.ours, ratio.other - ratio.ours
    pays = ceil(max(warm_up, 0) / gain) if gain > 0 else None
    return [{"benchmark": "C compile"} | ratio.row() | {"warm_up_s": round(warm_up, 2), "pays_after": pays}]


def by_fusing(job: Job, repeats: int) -> list[dict[str, Any]]:
    """Forward and backward pass of a convolution in `LANES` equal lanes, as one operation, or on streams of their own,
    against one after another: of each kind in the network the one with most operations. Each lane has its own images.
    """
    rows = []
    for kind, (layer, shape) in largest(job).items():
        low = job.low or torch.float32
        images, weights = (
            [
                torch.randn(like, device=job.device, dtype=low).to(memory_format=torch.channels_last)
                for _ in range(LANES)
            ]
            for like in (shape, layer.weight.shape)
        )
        for tensor in (*images, *weights):
            tensor.requires_grad_(True)
        ways: dict[str, Callable[[], object]] = {"grouped": partial(_grouped, layer, images, weights)}
        if layer.weight[0, 0].numel() == 1 and layer.groups == 1 and set(layer.stride) == {1}:
            ways["bmm"] = partial(_multiplied, images, weights)
        if job.device.type == "cuda":
            ways["streams"] = partial(_streams, layer, images, weights)
        for way, function in ways.items():
            ratio = compare(function, partial(_in_turn, layer, images, weights), job.device, repeats)
            rows.append({"benchmark": "C fused", "kernels": kind, "lanes": LANES, "way": way} | ratio.row())
    return rows


def largest(job: Job) -> dict[str, tuple[nn.Conv2d, torch.Size]]:
    """Kind (`1x1`, `5x5 depthwise` ...) -> of its convolutions that with most operations, and its input's shape."""
    found: dict[str, tuple[int, nn.Conv2d, torch.Size]] = {}

    def note(layer: nn.Conv2d, inputs: tuple[Tensor], output: Tensor) -> None:
        kind = "x".join(map(str, layer.kernel_size)) + (" depthwise" if layer.groups > 1 else "")
        work = output[0, 0].numel() * layer.weight.numel()
        if work > found.get(kind, (0,))[0]:
            found[kind] = (work, layer, inputs[0].shape)

    network = job.network().to(job.device).eval()
    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        network(job.batch[0])
    for hook in hooks:
        hook.remove()
    return {kind: (layer, shape) for kind, (_, layer, shape) in found.items()}


def _convolve(layer: nn.Conv2d, images: Tensor, weight: Tensor, groups: int) -> Tensor:
    padding = [size // 2 for size in layer.kernel_size]
    return F.conv2d(images, weight, None, layer.stride, padding, groups=groups)


def _gradients(output: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(output.float().square().sum(), of)


def _in_turn(layer: nn.Conv2d, images: list[Tensor], weights: list[Tensor]) -> list[tuple[Tensor, ...]]:
    pairs = zip(images, weights, strict=True)
    return [_gradients(_convolve(layer, one, weight, layer.groups), one, weight) for one, weight in pairs]


def _grouped(layer: nn.Conv2d, images: list[Tensor], weights: list[Tensor]) -> tuple[Tensor, ...]:
    found = _convolve(layer, torch.cat(images, 1), torch.cat(weights), len(images) * layer.groups)
    return _gradients(found, *images, *weights)


def _multiplied(images: list[Tensor], weights: list[Tensor]) -> tuple[Tensor, ...]:
    rows = torch.stack(images).movedim(2, -1).flatten(1, 3)  # lanes x places x channels
    found = torch.bmm(rows, torch.stack(weights).flatten(2).transpose(1, 2))
    return _gradients(found, *images, *weights)


def _streams(layer: nn.Conv2d, images: list[Tensor], weights: list[Tensor]) -> None:
    for one, weight in zip(images, weights, strict=True):
        with torch.cuda.stream(torch.cuda.Stream()):
            _gradients(_convolve(layer, one, weight, layer.groups), one, weight)


def against_a_processor(job: Job) -> list[dict[str, Any]]:
    """The job's device and precision against float32 on a processor: how far the network's outputs on the first batch
    lie apart, as a share of their size, and the loss after `STEPS` steps of full fine-tuning on it."""
    reference = replace(job, device=torch.device("cpu"), precision="fp32")
    (own, loss), (wanted, wanted_loss) = (_outputs(each) for each in (job, reference))
    apart = float((own - wanted).norm() / wanted.norm())
    row: dict[str, Any] = {
        "benchmark": "C agreement",
        "precision": str(job.low or torch.float32).removeprefix("torch."),
    }
    row |= {"relative_difference": float(f"{apart:.3g}"), "steps": STEPS}
    return [row | {"loss": round(loss, 4), "loss_processor": round(wanted_loss, 4)}]


def _outputs(job: Job) -> tuple[Tensor, float]:
    torch.manual_seed(0)
    plain = Plain(job, EVERYTHING, job.batch)
    with torch.no_grad():
        found = _loss_and_outputs(plain)[1]
    for _ in range(STEPS):
        plain.step()
    with torch.no_grad():
        return found.cpu(), float(_loss_and_outputs(plain)[0])


def _loss_and_outputs(plain: Plain) -> tuple[Tensor, Tensor]:
    with torch.autocast(plain.job.device.type, plain.job.low or torch.bfloat16, enabled=plain.job.low is not None):
        outputs = plain.network(plain.images).float()
    return F.cross_entropy(plain.head(outputs), plain.labels), outputs
