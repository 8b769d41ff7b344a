"""What runs and subsets cost, and which runs a choice looked at.

FLOPs are counted as if nothing were kept or shared: for each image and epoch the forward pass of the whole network, the
gradients of the activations from the lowest trained layer upwards, and those of the trained weights, each with as many
FLOPs as the forward pass of the same layers. Thus full fine-tuning costs three forward passes. The head is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from subtuning.runs.identity import Run
from subtuning.search.study import Record, Settings, Study
from subtuning.tuning.tuning import Tuning


@dataclass(frozen=True)
class CostRule:
    """What a greedy search makes of what subsets cost (`greedy.cost`).

    Attributes:
        of: `parameters`, `flops`, or `none`, by which nothing costs anything.
        weight: the score (0-1) that all layers together must be worth.
        cap: the largest share that is tried.
    """

    of: str = "none"
    weight: float = 0.0
    cap: float = 1.0

    @classmethod
    def of_settings(cls, settings: Settings) -> "CostRule":
        """From the config's keys; where they are not there, nothing costs anything."""
        given = {field: settings.get(f"greedy.{key}") for field, key in _KEYS.items()}
        return cls(**{field: value for field, value in given.items() if value is not None})

    def share(self, tuning: Tuning, layers: Mapping[str, Any]) -> float:
        """What a tuning costs, as a share (0-1) of what all layers cost; `layers` is the content of `layers.json`.

        Parameters are those of its layers, as they are stored when they are merged. FLOPs are those of one forward pass
        from its lowest layer on: what is above it must be computed for this task, trained or not.
        """
        if self.of == "none":
            return 0.0
        rows = layers["layers"]
        trained = set(tuning.of([row["name"] for row in rows]))
        lowest = next((place for place, row in enumerate(rows) if row["name"] in trained), len(rows))
        counted = rows[lowest:] if self.of == "flops" else [row for row in rows if row["name"] in trained]
        return sum(row[self.of] for row in counted) / sum(row[self.of] for row in rows)

    def allows(self, tuning: Tuning, layers: Mapping[str, Any]) -> bool:
        """Whether the search tries it."""
        return self.share(tuning, layers) <= self.cap

    def penalty(self, tuning: Tuning, layers: Mapping[str, Any]) -> float:
        """What its score (0-1) is lowered by when it is compared."""
        return self.weight * self.share(tuning, layers)


_KEYS = {"of": "cost", "weight": "cost_weight", "cap": "cost_cap"}

FREE = CostRule()
"""Nothing costs anything."""


def watched(study: Study) -> tuple[Study, dict[Run, Record]]:
    """A study that notes every finished run that is asked for, and its notes."""
    seen: dict[Run, Record] = {}

    def get(run: Run) -> Record | None:
        if record := study.get(run):
            seen[run] = record
        return record

    return replace(study, get=get, kept={}), seen


def run_flops(run: Run, layers: Mapping[str, Any], counts: Mapping[str, int]) -> float:
    """The FLOPs of a run's training; `layers` is the content of `layers.json`, `counts` how many images a part has."""
    return image_flops(run.tuning, layers) * run.recipe.epochs * _trained_images(run, counts)


def image_flops(tuning: Tuning, layers: Mapping[str, Any]) -> int:
    """FLOPs that train a tuning on one image once."""
    rows = layers["layers"]
    trained = set(tuning.of([row["name"] for row in rows]))
    cut = next((place for place, row in enumerate(rows) if row["name"] in trained), len(rows))
    back = sum(row["flops"] for row in rows[cut:])
    return layers["total_flops"] + back + sum(row["flops"] for row in rows if row["name"] in trained)


def _trained_images(run: Run, counts: Mapping[str, int]) -> float:
    if run.split.kind == "val":
        return counts["train"]
    if run.split.labelled:
        return int(run.split.labelled, 16).bit_count()
    every = counts["train"] + counts["val"]
    return every if run.split.folds is None else every * (1 - 1 / run.split.folds)
