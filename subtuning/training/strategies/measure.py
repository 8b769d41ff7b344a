"""No layer moves; what their gradients are is noted, for `search.rankings`. The head is trained.

In each epoch and of each layer: the mean over the steps of ||g|| / ||w||, the relative gradient norm (Lee et al., arXiv
2210.11466), and of the mean squared gradient, the diagonal of the empirical Fisher information with a batch in place
of an example (cf. Sung et al., arXiv 2111.09839). BatchNorms see the statistics of the batch, as in fine-tuning.
"""

from collections.abc import Sequence

import torch
from torch import nn

from subtuning.training.strategies import Moment, State
from subtuning.training.strategies.auto_rgn import relative_norms

STILL = 1e-12
"""A scale at which a layer has gradients, and steps far below the rounding of its weights."""


def scales(now: Moment, state: State) -> list[float]:
    """As good as 0 for each; at 0 there would be no gradients."""
    return [STILL] * len(now.layers)


def observe(now: Moment, parameters: Sequence[Sequence[nn.Parameter]], state: State) -> None:
    """Add this step's numbers to those of its epoch; a step that fp16's scaler will skip is left out."""
    if now.step % now.epoch_steps == 0 or not state:
        zeros = torch.zeros(len(parameters), dtype=torch.float64, device=parameters[0][0].device)
        state |= {"gradient": zeros, "fisher": zeros, "steps": zeros}
    found = {"gradient": relative_norms(parameters), "fisher": torch.stack([_fisher(layer) for layer in parameters])}
    finite = (found["gradient"] + found["fisher"]).isfinite().all()
    for name, values in found.items():
        state[name] = state[name] + torch.where(finite, values.double(), 0.0)
    state["steps"] = state["steps"] + finite


def shown(now: Moment, state: State) -> dict[str, float]:
    """`gradient/<layer>` and `fisher/<layer>` of the epoch so far."""
    means = {name: (state[name] / state["steps"]).tolist() for name in ("gradient", "fisher")}
    return {f"{name}/{layer}": mean for name, own in means.items() for layer, mean in zip(now.layers, own, strict=True)}


def _fisher(layer: Sequence[nn.Parameter]) -> torch.Tensor:
    """The mean over all weights of a layer; one without a gradient has 0."""
    squares = [p.grad.double().square().sum() for p in layer if p.grad is not None]
    return sum(squares, layer[0].new_zeros((), dtype=torch.float64)) / sum(p.numel() for p in layer)
