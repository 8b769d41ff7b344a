"""Measuring two things in turn, so that a busy machine slows both."""

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from math import prod
from multiprocessing import get_context
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

import subtuning.tuning.depthwise  # noqa: F401  # its operator


@dataclass(frozen=True)
class Ratio:
    """How many times faster `ours` is than `other`: the median and the range of ratios of neighbouring measurements.

    Attributes:
        ours, other: median seconds.
        n: pairs.
    """

    ours: float
    other: float
    ratio: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, ours: Sequence[float], other: Sequence[float]) -> "Ratio":
        """From seconds measured in turn."""
        ratios = [b / a for a, b in zip(ours, other, strict=True)]
        median = statistics.median
        return cls(median(ours), median(other), median(ratios), min(ratios), max(ratios), len(ratios))

    def row(self) -> dict[str, float]:
        """For a table."""
        values = {"ours_s": self.ours, "other_s": self.other, "ratio": self.ratio, "low": self.low, "high": self.high}
        return {name: float(f"{value:.4g}") for name, value in values.items()} | {"n": self.n}


def compare(ours: Callable[[], object], other: Callable[[], object], device: torch.device, repeats: int) -> Ratio:
    """Time both in turn, after one call of each that does not count."""
    measured: tuple[list[float], list[float]] = ([], [])
    for turn in range(repeats + 1):
        for function, seconds in zip((ours, other), measured, strict=True):
            spent = seconds_of(function, device)
            if turn:
                seconds.append(spent)
    return Ratio.of(*measured)


def seconds_of(function: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, the GPU's queued work included."""
    wait(device)
    begun = time.perf_counter()
    function()
    wait(device)
    return time.perf_counter() - begun


def in_a_process(function: Callable[..., Any], job: Any, *rest: Any) -> tuple[float, Any]:
    """Call it in a new process: the seconds from that one's start to its end, and what the function gives back."""
    begun = time.perf_counter()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        found = pool.submit(function, replace(job), *rest).result()  # without the network that the job holds
    return time.perf_counter() - begun, found


def wait(device: torch.device) -> None:
    """Until the device has nothing left to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def flops(function: Callable[[], object]) -> int:
    """Floating point operations of matrix products, convolutions and attention (a multiply-add is two)."""
    backward: dict[Any, Callable[..., int]] = {torch.ops.aten.convolution_backward: _convolution_backward_flops}
    backward[torch.ops.subtuning.depthwise_weight_gradient] = _weight_gradient_flops
    with FlopCounterMode(display=False, custom_mapping=backward) as counter:
        function()
    return counter.get_total_flops()


def _convolution_backward_flops(
    grad: Sequence[int], x: Sequence[int], weight: Sequence[int], *others: Any, **_: Any
) -> int:
    """From the arguments of aten's `convolution_backward`: each wanted gradient takes what the forward pass takes.

    Every weight meets a value in each place of each image, in all three alike. torch's own formula forgets the groups
    in the weights' gradient, and counts that of a depthwise convolution as many times as it has channels.
    """
    _bias, _stride, _padding, _dilation, transposed, _output_padding, _groups, wanted = others
    places = x if transposed else grad
    return 2 * prod(weight) * places[0] * prod(places[2:]) * (wanted[0] + wanted[1])


def _weight_gradient_flops(x: Sequence[int], gradient: Sequence[int], kernel: Sequence[int], *_: Any, **__: Any) -> int:
    """As for any other convolution: every weight meets a value in each place of each image."""
    return 2 * prod(gradient) * prod(kernel)
