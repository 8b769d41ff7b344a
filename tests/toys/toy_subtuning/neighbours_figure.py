"""The figure of the neighbours: one bar each."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure


def draw(table: pd.DataFrame, layers: dict[str, Any], task: str, backbone: str) -> Figure:
    """A bar chart of the mean accuracies in percent."""
    figure = Figure()
    axes = figure.subplots()
    axes.barh(table["layers"], 100 * table["mean"])
    axes.set_title(f"Neighbours: {task}, {backbone}")
    return figure
