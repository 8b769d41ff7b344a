"""Auto-RGN (surgical fine-tuning; Lee et al., arXiv 2210.11466): layers learn as fast as their gradients are
large.

At the beginning of each epoch a layer's learning rate is scaled by its relative gradient norm ||g|| / ||w||, divided by
the largest of all layers. The paper's code measures it on five batches before the epoch; here it is the mean over the
steps since the last time, the epoch's first one included, which costs no further pass. g and w are all that is trained
of the layer (in the paper's code each tensor by itself, BatchNorm left out). The head, which is new, is not measured.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from subtuning.training.strategies import Moment, State


def scales(now: Moment, state: State) -> list[float]:
    """0 to 1, the largest 1; 1 for each until something is measured."""
    return state.get("scales", [1.0] * len(now.layers))


def observe(now: Moment, parameters: Sequence[Sequence[nn.Parameter]], state: State) -> None:
    """Add this step's norms; at an epoch's first step, make the scales of them.

    Args:
        parameters: of each layer, those that are trained, with their gradients.
    """
    norms = relative_norms(parameters)
    finite = norms.isfinite().all()  # not in a step that fp16's scaler will skip
    total = torch.where(finite, norms, 0.0) + state.get("total", 0.0)
    if now.step % now.epoch_steps == 0 or "scales" not in state:
        largest = total.max()
        if largest > 0:
            state["scales"], total = (total / largest).tolist(), torch.zeros_like(total)
    state["total"] = total


def relative_norms(parameters: Sequence[Sequence[nn.Parameter]]) -> Tensor:
    """L: the norm of each layer's gradients over that of its weights; of weights that are all 0, the largest of all."""
    gradients = torch.stack([get_total_norm(_gradients(layer)) for layer in parameters])
    weights = torch.stack([get_total_norm([p.detach() for p in layer]) for layer in parameters])
    ratios = torch.where(weights > 0, gradients / weights, 0.0)
    return torch.where(weights > 0, ratios, ratios.max())


def _gradients(layer: Sequence[nn.Parameter]) -> list[Tensor]:
    return [p.grad for p in layer if p.grad is not None] or [layer[0].new_zeros(())]
