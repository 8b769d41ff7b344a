"""Tables -> figures: the finetuning profile, the greedy path, accuracy against trained parameters."""

from subtuning.analysis.figures.greedy import greedy_figure
from subtuning.analysis.figures.profile import profile_figure
from subtuning.analysis.figures.style import save
from subtuning.analysis.figures.tradeoff import tradeoff_figure

__all__ = ["greedy_figure", "profile_figure", "save", "tradeoff_figure"]
