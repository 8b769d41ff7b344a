"""Every layer is trained, and how far it has moved is noted, for `search.rankings`: ||w - w0|| / ||w0||."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.utils import get_total_norm

from subtuning.training.strategies import Moment, State


def scales(now: Moment, state: State) -> list[float]:
    """1 for each."""
    return [1.0] * len(now.layers)


def observe(now: Moment, parameters: Sequence[Sequence[nn.Parameter]], state: State) -> None:
    """Keep the weights before the first step; measure before the last step of each epoch."""
    weights = [[p.detach() for p in layer] for layer in parameters]
    if "start" not in state:
        state["start"] = [[weight.clone() for weight in layer] for layer in weights]
    if (now.step + 1) % now.epoch_steps == 0:
        pairs = zip(weights, state["start"], strict=True)
        state["moved"] = torch.stack([_moved(layer, start) for layer, start in pairs])


def shown(now: Moment, state: State) -> dict[str, float]:
    """`displacement/<layer>` since the beginning."""
    return {f"displacement/{name}": moved for name, moved in zip(now.layers, state["moved"].tolist(), strict=True)}


def _moved(layer: Sequence[torch.Tensor], start: Sequence[torch.Tensor]) -> torch.Tensor:
    """Relative to the weights before; of weights that were all 0, the distance itself."""
    distance = get_total_norm([now - then for now, then in zip(layer, start, strict=True)])
    before = get_total_norm(list(start))
    return torch.where(before > 0, distance / before, distance)
