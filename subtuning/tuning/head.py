"""The new classifier on top of the features."""

from itertools import pairwise

from torch import nn

from subtuning.config import Recipe
from subtuning.tuning.seeding import seeded


def new_head(features: int, classes: int, recipe: Recipe, seed: int) -> nn.Module:
    """A linear or MLP head from N x features to N x classes, initialised from `seed` alone.

    All lanes of one seed start from the same head, so that their differences come from the layers. The MLP follows the
    paper's code: hidden layers without bias, ReLU between.
    """
    with seeded(seed):
        if recipe.head == "linear":
            return nn.Linear(features, classes)
        widths = [features] + [recipe.head_width] * recipe.head_depth
        hidden = [
            layer for before, after in pairwise(widths) for layer in (nn.Linear(before, after, bias=False), nn.ReLU())
        ]
        return nn.Sequential(*hidden, nn.Linear(widths[-1], classes))
