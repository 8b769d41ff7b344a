"""What a method costs: to choose its layers and its recipe, and to train it once.

FLOPs are counted as if nothing were kept or shared: for each image and epoch the forward pass of the whole network, the
gradients of the activations from the lowest trained layer upwards, and those of the trained weights, each with as many
FLOPs as the forward pass of the same layers. Thus full fine-tuning costs three forward passes.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from subtuning.runs.identity import Run
from subtuning.search.experiments import tune
from subtuning.search.methods import untuned
from subtuning.search.study import Record, Study
from subtuning.tasks import Task
from subtuning.tuning.tuning import Tuning

COLUMNS = ["search_runs", "search_seconds", "search_flops", "train_flops"]


def cost_cells(study: Study, name: str, runs: Iterable[Run]) -> dict[str, float]:
    """The cells `COLUMNS` of a method: all cross-validated runs that its layers and its recipe were chosen from, their
    seconds and FLOPs, and the FLOPs of one of its own `runs`."""
    searched = searched_runs(study, name)
    assert study.task is not None  # a table is made from a pair on disk
    flops = {run: run_flops(run, study.layers, study.task) for run in (*searched, *runs)}
    return {
        "search_runs": len(searched),
        "search_seconds": sum(record["seconds"] for record in searched.values()),
        "search_flops": sum(flops[run] for run in searched),
        "train_flops": flops[next(iter(runs))],
    }


def searched_runs(study: Study, name: str) -> dict[Run, Record]:
    """The finished runs that anything was read of while a method's layers and recipe were chosen."""
    seen: dict[Run, Record] = {}

    def get(run: Run) -> Record | None:
        if record := study.get(run):
            seen[run] = record
        return record

    watched = Study(study.settings, study.base, study.layers, get, study.task)
    if tune.names(study.settings):
        tune.tuned(watched, name)
    else:
        untuned(watched, name)
    return seen


def run_flops(run: Run, layers: Mapping[str, Any], task: Task) -> float:
    """The FLOPs of a run's training (see above); `layers` is the content of `layers.json`."""
    return image_flops(run.tuning, layers) * run.recipe.epochs * _trained_images(run, task)


def image_flops(tuning: Tuning, layers: Mapping[str, Any]) -> int:
    """FLOPs that train a tuning on one image once, the head's left out."""
    rows = layers["layers"]
    trained = set(tuning.of([row["name"] for row in rows]))
    cut = next((place for place, row in enumerate(rows) if row["name"] in trained), len(rows))
    back = sum(row["flops"] for row in rows[cut:])
    return layers["total_flops"] + back + sum(row["flops"] for row in rows if row["name"] in trained)


def _trained_images(run: Run, task: Task) -> float:
    sizes = {part: len(task.part(part)[1]) for part in ("train", "val")}
    if run.split.kind == "val":
        return sizes["train"]
    every = sum(sizes.values())
    return every if run.split.folds is None else every * (1 - 1 / run.split.folds)
