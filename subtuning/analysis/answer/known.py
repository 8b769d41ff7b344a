"""What the words are made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from subtuning.analysis.answer.gain import Gain, gain_over
from subtuning.analysis.tables import metric_words
from subtuning.tuning.tuning import Tuning


@dataclass(frozen=True)
class Known:
    """All that is known of one task and backbone when its study is finished.

    Attributes:
        names: of the task and the backbone.
        evaluation, profile, greedy: the tables of these names.
        selected: the content of selected.json.
        layers: the content of layers.json.
        facts: the content of task.json.
        epochs: of each training.
        search_seeds: trainings that score a candidate, a fold.
        command: what makes everything anew, such as `snakemake --cores all`.
    """

    names: tuple[str, str]
    evaluation: pd.DataFrame
    profile: pd.DataFrame
    greedy: pd.DataFrame
    selected: Mapping[str, Any]
    layers: Mapping[str, Any]
    facts: Mapping[str, Any]
    epochs: int
    search_seeds: int
    command: str = "snakemake --cores all"

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        """Method -> its row of the evaluation."""
        return {row["method"]: row for row in self.evaluation.to_dict("records")}

    @property
    def metric(self) -> str:
        """By which layers were chosen and methods are compared, in words."""
        return metric_words([self.evaluation])

    @property
    def chosen(self) -> dict[str, Any]:
        """The row of what the greedy search selected."""
        return self.rows["greedy"]

    @cached_property
    def tuning(self) -> Tuning:
        """What the greedy search selected."""
        return Tuning.parse(self.chosen["layers"], [row["name"] for row in self.layers["layers"]])

    @cached_property
    def over_full(self) -> Gain:
        """Its gain over full fine-tuning."""
        return gain_over("full", self.rows)

    @cached_property
    def over_linear(self) -> Gain:
        """Its gain over linear probing."""
        return gain_over("linear", self.rows)
