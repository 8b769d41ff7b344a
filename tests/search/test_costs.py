"""What methods cost, counted by hand."""

import pytest

from subtuning.analysis.tables.evaluation import _search_cells
from subtuning.runs import Split
from subtuning.search.budget import draws
from subtuning.search.costs import image_flops, run_flops
from subtuning.search.experiments import tune
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, Tuning
from tests.search.test_tune import LAYERS, study_of
from tests.tiny import make_run

FLOPS = {"a": 100, "b": 10, "c": 1}
COSTLY = {"layers": [row | {"flops": FLOPS[row["name"]]} for row in LAYERS["layers"]], "total_flops": 111}


COUNTS = {"train": 30, "val": 10, "test": 5}


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
    assert run_flops(run, COSTLY, COUNTS) == 111 * images * run.recipe.epochs


def test_choosing_costs_all_runs_that_were_looked_at():
    study = study_of(lambda tuning, recipe: {"b": 0.9}.get(tuning, 0.5), **{"tune.grow": False})
    study.layers, study.counts = COSTLY, COUNTS
    get = study.get
    study.get = lambda run: get(run) | {"seconds": 2.0}
    grid = 3 * 2  # rates and folds
    assert len(tune.searched(study, "mine")) == grid
    assert len(tune.searched(study, "linear")) == grid
    assert len(tune.searched(study, "best_layer")) == 5 * 2 + grid - 2, "the profile; one of its layers is in the grid"
    assert len(tune.searched(study, "greedy")) == 4 * 2 + grid - 2, "linear too"
    cells = _search_cells(study, "linear", study.base)
    epochs = study.base.recipe.epochs
    assert cells == {
        "search_runs": grid,
        "search_seconds": 2.0 * grid,
        "search_flops": grid * 111 * 20 * epochs,
        "train_flops": 111 * 30 * epochs,
    }


def budget_study(**settings):
    study = study_of(lambda tuning, recipe: 1 - recipe.lr, **{"tune.full_budget": True, "tune.grow": False} | settings)
    study.layers, study.counts = COSTLY, COUNTS
    return study


def test_full_fine_tuning_gets_the_flops_of_the_greedy_search():
    study = budget_study()
    points = tune.tuned(study, "full_budget").points
    spent = sum(run_flops(run, COSTLY, COUNTS) for run in tune.searched(study, "greedy"))
    each = sum(run_flops(run, COSTLY, COUNTS) for run in tune.runs_of(study, points[0]))
    assert len(points) * each <= spent < (len(points) + 1) * each
    assert {str(point.tuning) for point in points} == {"full"}
    assert len(tune.searched(study, "full_budget")) == 2 * len(points), "in two folds; greedy's runs are not its"
    assert len(set(points)) == len(points)


def test_the_draws_are_always_the_same_and_a_larger_budget_adds_to_them():
    study = budget_study()
    base = tune.untuned(study, "full_budget")
    spent = list(tune.searched(study, "greedy"))
    many = draws(study, base, spent * 4)
    assert draws(study, base, spent) == many[: len(draws(study, base, spent))]
    assert all(0.03 <= point.factor <= 30 for point in many)
    assert {0.5 <= dict(point.changes)["layer_decay"] <= 1 for point in many} == {True}


def test_the_best_draw_is_tested():
    study = budget_study()
    found = tune.tuned(study, "full_budget")
    assert found.best == min(found.points, key=lambda point: dict(point.changes)["lr"])
    assert not found.edge
