"""What methods cost, counted by hand."""

import numpy as np
import pytest

from subtuning.analysis.costs import cost_cells, image_flops, run_flops, searched_runs
from subtuning.runs import Split
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, Tuning
from tests.search.test_tune import LAYERS, study_of
from tests.tiny import make_run

FLOPS = {"a": 100, "b": 10, "c": 1}
COSTLY = {"layers": [row | {"flops": FLOPS[row["name"]]} for row in LAYERS["layers"]], "total_flops": 111}


class Task:
    """30 train, 10 val and 5 test images."""

    def part(self, name):
        return None, np.zeros({"train": 30, "val": 10, "test": 5}[name], int)


@pytest.mark.parametrize(
    ("tuning", "flops"),
    [
        (ONLY_HEAD, 111),
        (EVERYTHING, 3 * 111),
        (Tuning(("c",)), 111 + 1 + 1),
        (Tuning(("b",)), 111 + 11 + 10),
        (Tuning(("a", "c")), 111 + 111 + 101),
    ],
)
def test_the_backward_pass_ends_at_the_lowest_trained_layer(tuning, flops):
    assert image_flops(tuning, COSTLY) == flops


@pytest.mark.parametrize(
    ("split", "images"), [(Split("cv", 4, 0), 30), (Split("val"), 30), (Split("test"), 40)], ids=str
)
def test_a_run_costs_its_epochs_times_its_training_images(split, images):
    run = make_run().with_split(split).with_tuning(ONLY_HEAD)
    assert run_flops(run, COSTLY, Task()) == 111 * images * run.recipe.epochs


def test_choosing_costs_all_runs_that_were_looked_at():
    study = study_of(lambda tuning, recipe: {"b": 0.9}.get(tuning, 0.5), **{"tune.grow": False})
    study.layers, study.task = COSTLY, Task()
    get = study.get
    study.get = lambda run: get(run) | {"seconds": 2.0}
    grid = 3 * 2  # rates and folds
    assert len(searched_runs(study, "mine")) == grid
    assert len(searched_runs(study, "linear")) == grid
    assert len(searched_runs(study, "best_layer")) == 5 * 2 + grid - 2, "the profile; one of its layers is in the grid"
    assert len(searched_runs(study, "greedy")) == 4 * 2 + grid - 2, "linear too"
    cells = cost_cells(study, "linear", [study.base])
    epochs = study.base.recipe.epochs
    assert cells == {
        "search_runs": grid,
        "search_seconds": 2.0 * grid,
        "search_flops": grid * 111 * 20 * epochs,
        "train_flops": 111 * 30 * epochs,
    }
