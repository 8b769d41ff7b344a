"""The learning rates of a lane: at every step the schedule's, times the scale of each layer's place and turn."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from subtuning.backbones.graph import TAIL
from subtuning.config import Recipe
from subtuning.registry import find
from subtuning.training.optim import learning_rate, new_optimizer, set_learning_rate
from subtuning.training.strategies import Moment, State, Strategy
from subtuning.tuning.lane import Lane


class Rates:
    """A lane's optimiser, and the learning rate of each of its layers at every step.

    Args:
        names: all layers of the network, in its order.
        steps, epoch_steps: of the whole training, and of one epoch.

    Attributes:
        layers: the trained layers that have a rate of their own; none where all learn alike.
        state: what the recipe's strategy remembers.
    """

    def __init__(self, lane: Lane, recipe: Recipe, names: Sequence[str], steps: int, epoch_steps: int):
        self.lane, self.recipe, self.steps, self.epoch_steps = lane, recipe, steps, epoch_steps
        alike = recipe.strategy == "all" and recipe.layer_decay == 1
        self.layers = () if alike else tuple(name for name, own in lane.own.items() if own)
        self.strategy: Strategy = find("strategies", recipe.strategy if self.layers else "all", "recipe.strategy")
        self.places = [place_scale(name, names, recipe.layer_decay) for name in self.layers] + [1.0]
        self.state: State = {}
        self.now = Moment(self.layers, 0, steps, epoch_steps)
        groups = [lane.own[name] for name in self.layers]
        apart = {id(parameter) for group in groups for parameter in group}
        groups.append([p for p in lane.trained_parameters if id(p) not in apart])
        self.optimizer = new_optimizer([{"params": group} for group in groups], recipe)

    def begin(self, step: int) -> None:
        """Make the lane ready for a step (from 0): the rate of each group, and layers at a scale of 0 frozen."""
        self.now = Moment(self.layers, step, self.steps, self.epoch_steps)
        self._set()
        self.lane.hold(name for name, group in self._groups() if group["scale"] == 0)

    def observe(self, scaler: torch.amp.GradScaler) -> None:
        """Show the step's gradients to a strategy that looks at them; call it before they are applied."""
        look = getattr(self.strategy, "observe", None)
        if look is not None:
            scaler.unscale_(self.optimizer)
            look(self.now, [group["params"] for _, group in self._groups()], self.state)
            self._set()

    def shown(self) -> dict[str, float]:
        """`lr/<layer>` -> the rate of the last step, of each layer with a rate of its own; what the strategy shows."""
        rates = {f"lr/{name}": group["lr"] for name, group in self._groups()}
        show = getattr(self.strategy, "shown", None)
        return rates if show is None else rates | show(self.now, self.state)

    def _groups(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The layers and their groups, without that of the head."""
        return zip(self.layers, self.optimizer.param_groups[:-1], strict=True)

    def _set(self) -> None:
        scales = [*self.strategy.scales(self.now, self.state), 1.0]
        for group, place, scale in zip(self.optimizer.param_groups, self.places, scales, strict=True):
            group["scale"] = place * scale
        set_learning_rate(self.optimizer, learning_rate(self.recipe, self.now.step, self.steps))


def place_scale(name: str, names: Sequence[str], decay: float) -> float:
    """Layer-wise learning rate decay: `decay` to the power of the distance from the head.

    The last block stands at distance 1, the stem farthest, as in BEiT (arXiv 2106.08254), MAE (arXiv 2111.06377) and
    timm. What follows the last block (`tail`) goes with the head, at 1, as the last norm does in BEiT and MAE; timm
    counts it to the last block in some models.

    Args:
        names: all layers of the network, in its order, whether trained or not.
    """
    before = [layer for layer in names if layer != TAIL]
    return 1.0 if name == TAIL else decay ** (len(before) - before.index(name))
