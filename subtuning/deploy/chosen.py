"""What is delivered, and how far the delivered model agrees with the record of its run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from subtuning.deploy.calibrate import Calibration
from subtuning.tasks import Task


@dataclass(frozen=True)
class Chosen:
    """What is delivered.

    Attributes:
        method: a row of the comparison.
        record: of the run that is delivered.
        tested: of the run that the comparison tested: the same one, but where it was trained once more on all images.
        table: the comparison (see `analysis.tables.evaluation`).
        tensors: the file of what the run trained.
        layers: the content of the backbone's layers.json.
        weights: the file of its fetched weights.
        calibration: of its probabilities; None leaves them as the network gives them.
        metric: by which layers and recipes were chosen, as `search.metric` has it.
    """

    method: str
    record: dict[str, Any]
    tested: dict[str, Any]
    table: pd.DataFrame
    tensors: Path
    task: Task
    layers: dict[str, Any]
    weights: Path
    metric: str = "accuracy"
    calibration: Calibration | None = None

    @property
    def on_all(self) -> bool:
        """Whether the test images trained it too."""
        return self.record["identity"]["split"] == "all"


class Agreement(NamedTuple):
    """On how many images a delivered model gives the class that the run's record holds, and on how many it is right."""

    images: int
    same: int
    right: int
