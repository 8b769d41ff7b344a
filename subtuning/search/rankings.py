"""Cheap rankings of layers: a score for each from one short run of all layers, on train; never from test images.

Both runs are scored on val as any other, which no ranking reads. They are normal runs: stored, shared, resumed.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from subtuning.errors import UserError
from subtuning.runs.identity import Run, Split
from subtuning.search.selectors._words import count
from subtuning.search.study import Settings, Study
from subtuning.tuning.tuning import EVERYTHING, Tuning

EPOCHS = 3
"""Of the short runs, whatever the recipe has: in the first the head begins to learn, in the last it is trained."""


class Ranking(NamedTuple):
    """Where a ranking's scores are noted.

    Attributes:
        strategy: of the run (see `training/strategies/`).
        key: in the run's curve, before the layer.
        first: whether the first epoch counts, else the last one.
    """

    strategy: str
    key: str
    first: bool


RANKINGS = {
    "gradient": Ranking("measure", "gradient", True),
    "fisher": Ranking("measure", "fisher", True),
    "probed_gradient": Ranking("measure", "gradient", False),
    "displacement": Ranking("displacement", "displacement", False),
}


def run_of(study: Study, name: str) -> Run:
    """The run that a ranking reads."""
    changes = (("epochs", EPOCHS), ("layer_decay", 1.0), ("strategy", RANKINGS[name].strategy))
    return study.runs([EVERYTHING], [Split("val")], 1, changes)[0]


def scores(study: Study, name: str) -> dict[str, float] | None:
    """The score of each layer that one may choose from; None while the run is not finished.

    Raises:
        UserError: the run diverged.
    """
    record = study.get(run_of(study, name))
    if record is None:
        return None
    if record["status"] == "diverged":
        raise UserError(f"the short run of the ranking {name!r} diverged; lower recipe.lr")
    point = epoch_of(name, record)
    return {layer: point[f"{RANKINGS[name].key}/{layer}"] for layer in study.candidates}


def epoch_of(name: str, record: dict[str, Any]) -> dict[str, float]:
    """The point of a run's curve that a ranking reads."""
    return record["curve"][0 if RANKINGS[name].first else -1]


def top(study: Study, name: str, words: Sequence[str]) -> Tuning | None:
    """The layers with the highest scores, in network order; of equals those nearest to the image.

    Raises:
        UserError: words other than one number of layers that there are, or the run diverged.
    """
    kept = count(words, len(study.candidates), f"{name} K")
    found = scores(study, name)
    if found is None:
        return None
    best = sorted(study.candidates, key=lambda layer: -found[layer])[:kept]
    return Tuning(tuple(layer for layer in study.candidates if layer in best))


def are_used(settings: Settings) -> bool:
    """Whether any subset of the comparison is chosen by a ranking."""
    return any(words.split()[0] in RANKINGS for words in settings["evaluate.subsets"].values())
