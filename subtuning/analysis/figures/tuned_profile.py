"""The profile in which each layer has its own learning rate as a figure."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from subtuning.analysis.figures.profile import profile_figure


def draw(table: pd.DataFrame, layers: Mapping[str, Any], task: str, backbone: str) -> Figure:
    """Draw a table of `analysis.tables.tuned_profile` as the profile is drawn."""
    return profile_figure(table, layers, task, f"{backbone}, each layer at its best rate")
