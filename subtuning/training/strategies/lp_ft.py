"""LP-FT (Kumar et al., arXiv 2202.10054): linear probing first, then everything, so that a head that is still random
does not distort the pretrained features.

Each gets half of the steps, rounded down for linear probing, and the one schedule of the recipe runs over both.
"""

from subtuning.training.strategies import Moment, State


def scales(now: Moment, state: State) -> list[float]:
    """0 for each in the first half, then 1."""
    return [float(now.step >= now.steps // 2)] * len(now.layers)
