"""Gradual unfreezing (ULMFiT; Howard & Ruder, arXiv 1801.06146, section 3.3): the head first, then one layer more at a
time, from the last to the first.

L layers make L + 1 equal parts of the steps (the paper's parts are epochs): the head alone, ..., all of them. With
fewer steps than parts, several layers begin at once.
"""

from subtuning.training.strategies import Moment, State


def scales(now: Moment, state: State) -> list[float]:
    """0 for a layer whose turn has not come, then 1."""
    parts = len(now.layers) + 1
    return [float(now.step >= now.steps * turn // parts) for turn in range(len(now.layers), 0, -1)]
