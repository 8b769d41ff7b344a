"""A: a lane's step against its convolutions alone."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from subtuning.benchmark.job import Job
from subtuning.benchmark.timing import compare, flops  # which knows the operator below
from subtuning.tuning.tuning import EVERYTHING

aten = torch.ops.aten
FORWARD, BACKWARD = aten.convolution.default, aten.convolution_backward.default
BY_TAPS = torch.ops.subtuning.depthwise_weight_gradient.default


class Convolutions(TorchDispatchMode):
    """Notes the convolutions that run, forward and backward, with arguments that look like theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, Callable[[], object]]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in (FORWARD, BACKWARD, BY_TAPS):
            own = tree_map_only(Tensor, torch.randn_like, args)
            self.calls.append((_kind(func, own), lambda: func(*own)))
        return func(*args, **(kwargs or {}))


def _kind(func: Any, args: Sequence[Any]) -> str:
    if func is BY_TAPS:
        return "depthwise backward"
    way, weight, groups = ("forward", args[1], args[8]) if func is FORWARD else ("backward", args[2], args[9])
    return f"{kind_of(weight, groups)} {way}"


def kind_of(weight: Tensor, groups: int) -> str:
    """`depthwise`, or the size of a convolution's kernel, such as `3x3`."""
    return "depthwise" if groups > 1 and weight.shape[1] == 1 else "x".join(map(str, weight.shape[2:]))


def _run(calls: Sequence[Callable[[], object]]) -> None:
    for call in calls:
        call()


def against_kernels(job: Job, repeats: int) -> list[dict[str, Any]]:
    """What share of a full fine-tuning's step its convolutions would take if nothing else ran: `ratio`, their seconds
    over the step's, measured in turn, all together and by kind. All in one thread, as a lane has one.

    Each runs again and again on the same numbers here, which is the best that it can do: its own ceiling.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        step = job.group([EVERYTHING], graphs=False).advance
        step()
        with Convolutions() as seen:
            step()
        kinds = ["all", *dict.fromkeys(kind for kind, _ in seen.calls)]
        rows = []
        for kind in kinds:
            own = [call for name, call in seen.calls if kind in ("all", name)]
            ratio = compare(step, partial(_run, own), job.device, repeats)
            speed = flops(partial(_run, own)) / ratio.other / 1e9
            row = {"benchmark": "A kernels", "kernels": kind, "calls": len(own)} | ratio.row()
            rows.append(row | {"gflop_s": round(speed, 1)})
        return rows
    finally:
        torch.set_num_threads(threads)
