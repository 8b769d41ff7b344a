"""A lane's forward and backward pass as CUDA graphs: else a GPU waits for Python to start one kernel after another.

A pass is recorded at the second batch of a shape and replayed for all later ones; the first is computed as it is, since
CUDA's libraries set themselves up at their first use, which cannot be recorded. The kernels are the same, and so are
the numbers. What cannot be recorded (a layer that asks for a number on the CPU) is computed as it is.
"""

import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from subtuning.training.device import is_out_of_memory

Pass = Callable[[dict[str, Any], Tensor], None]
"""From the trunk's values and the labels to the gradients of the parameters (`.grad`)."""


@dataclass
class Tape:
    """A recorded pass: what it reads, and the gradients that it writes."""

    graph: torch.cuda.CUDAGraph
    values: dict[str, Any]
    labels: Tensor
    gradients: list[Tensor | None]

    def replay(self, values: dict[str, Any], labels: Tensor, parameters: Sequence[nn.Parameter]) -> None:
        """Do the pass on these values."""
        _copy(values, self.values)
        self.labels.copy_(labels)
        for parameter, gradient in zip(parameters, self.gradients, strict=True):
            parameter.grad = gradient
        self.graph.replay()


@dataclass
class Recorder:
    """What the passes of a group of lanes share: memory, which the lanes use one after another, and their inputs."""

    pool: Any
    inputs: dict[Hashable, tuple[dict[str, Any], Tensor]] = field(default_factory=dict)

    @classmethod
    def on(cls, device: torch.device) -> "Recorder | None":
        """A recorder for a GPU; None for a CPU."""
        return cls(torch.cuda.graph_pool_handle()) if device.type == "cuda" else None

    def record(self, cut: int, step: Pass, values: dict[str, Any], labels: Tensor) -> tuple[Any, dict, Tensor]:
        """The graph of a pass, and the tensors that it reads, shared by all lanes with this cut."""
        key = (cut, len(labels))
        if key not in self.inputs:
            own = {name: torch.empty_like(v) if isinstance(v, Tensor) else v for name, v in values.items()}
            self.inputs[key] = (own, torch.empty_like(labels))
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool):
            step(*self.inputs[key])
        return graph, *self.inputs[key]


class Passes:
    """The passes of one lane, as they are or recorded.

    Args:
        parameters: whose gradients a pass writes.
        recorder: the group's; None records nothing.
    """

    def __init__(self, cut: int, parameters: Sequence[nn.Parameter], recorder: Recorder | None):
        self.cut, self.parameters, self.recorder = cut, list(parameters), recorder
        self._tapes: dict[Hashable, Tape | None] = {}

    def run(self, step: Pass, values: dict[str, Any], labels: Tensor) -> None:
        """Do one pass of `step`, always the same function."""
        key = (len(labels), tuple(parameter.requires_grad for parameter in self.parameters))
        if self.recorder and key in self._tapes and self._tapes[key] is None:
            self._tapes[key] = self._record(self.recorder, step, values, labels)
        tape = self._tapes.setdefault(key, None)
        if tape is None:
            step(values, labels)
        else:
            tape.replay(values, labels, self.parameters)

    def _record(self, recorder: Recorder, step: Pass, values: dict[str, Any], labels: Tensor) -> Tape | None:
        try:
            graph, own, own_labels = recorder.record(self.cut, step, values, labels)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            reason = str(error).partition("\n")[0]
            warnings.warn(f"a lane cannot be recorded as a CUDA graph, which is slower: {reason}", stacklevel=1)
            self.recorder = None
            return None
        return Tape(graph, own, own_labels, [parameter.grad for parameter in self.parameters])


def _copy(values: dict[str, Any], into: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, Tensor):
            into[name].copy_(value)
