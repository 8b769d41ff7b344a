"""Which recipe each method gets, on scores made by hand."""

import pytest

from subtuning.errors import UserError
from subtuning.runs import Split
from subtuning.search.experiments import evaluation, tune, tuned_profile
from subtuning.search.steps import steps_of
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning
from tests.tiny import make_run

SETTINGS = {
    "profile.folds": 2, "profile.test_seeds": 0, "profile.tune": False, "profile.shards": 1,
    "search.effort": "full", "search.seeds": 1,
    "greedy.folds": 2, "greedy.split": "cv", "greedy.shards": 1, "greedy.start": "linear", "greedy.max_rounds": 1,
    "greedy.epsilon": 0.0, "greedy.stop": "epsilon", "experiments": [],
    "evaluate.seeds": 2, "evaluate.subsets": {"mine": "a+b"}, "evaluate.recipes": {},
    "tune.full_budget": False,
    "tune.lr": [0.1, 1, 10], "tune.weight_decay": [], "tune.layer_decay": [], "tune.rank": [], "tune.grow": True,
}  # fmt: skip
LAYERS = {"layers": [{"name": name, "kind": "layer", "parameters": 10} for name in "abc"]}
LR = make_run().recipe.lr


def study_of(score, **settings):
    """A study of which every run is finished: `score(tuning, recipe)` is its accuracy, None where it diverged."""

    def get(run):
        value = score(str(run.tuning), run.recipe)
        metrics = None if value is None else {"accuracy": value}
        return {
            "identity": run.identity() | {"fold": run.split.fold},
            "status": "diverged" if value is None else "done",
            "metrics": metrics,
        }

    return Study(SETTINGS | settings, make_run(), LAYERS, get)


def rates(study, name="mine"):
    """The factors that were tried, and the chosen one."""
    found = tune.tuned(study, name)
    return [point.factor for point in found.points], found.best and found.best.factor, found.edge


def test_each_method_gets_its_own_best_rate():
    study = study_of(
        lambda tuning, recipe: 1 - abs(recipe.lr - LR * {"full": 0.1}.get(tuning, 1)), **{"tune.grow": False}
    )
    assert tune.chosen(study, "full").factor == 0.1
    assert tune.chosen(study, "mine").factor == 1
    assert [run.recipe.lr for run in evaluation.runs_of(study, "full")] == [pytest.approx(LR / 10)] * 2
    assert [run.split for run in evaluation.runs_of(study, "mine")] == [Split("test")] * 2


def test_only_runs_of_the_cross_validation_choose():
    asked = []
    study = study_of(lambda tuning, recipe: 0.5)
    get = study.get
    study.get = lambda run: asked.append(run) or get(run)
    for name in ("linear", "full", "mine", "greedy", "best_layer"):
        tune.chosen(study, name)
    assert asked
    assert {run.split.kind for run in asked} == {"cv"}


def test_of_equals_the_smallest_rate_wins():
    assert rates(study_of(lambda tuning, recipe: 0.5, **{"tune.grow": False})) == ([0.1, 1, 10], 0.1, True)


def test_a_grid_grows_beyond_its_edge_three_times_at_most():
    assert rates(study_of(lambda tuning, recipe: recipe.lr)) == ([0.1, 1, 10, 100, 1000, 10_000], 10_000, True)
    assert rates(study_of(lambda tuning, recipe: -recipe.lr)) == ([1e-4, 1e-3, 0.01, 0.1, 1, 10], 1e-4, True)
    assert rates(study_of(lambda tuning, recipe: -abs(recipe.lr - 100 * LR))) == ([0.1, 1, 10, 100, 1000], 100, False)


def test_a_point_that_diverges_in_a_fold_never_wins():
    study = study_of(lambda tuning, recipe: None if recipe.lr > 5 * LR else recipe.lr)
    assert rates(study) == ([0.1, 1, 10], 1, False)


def test_where_everything_diverges_the_method_is_tested_as_the_config_says():
    study = study_of(lambda tuning, recipe: None)
    assert rates(study) == ([0.1, 1, 10], None, False)
    assert evaluation.runs_of(study, "mine")[0].recipe == study.base.recipe


def test_rates_are_numbers_that_a_person_would_write():
    study = study_of(lambda tuning, recipe: recipe.lr, **{"tune.lr": [0.3], "evaluate.recipes": {"mine": {"lr": 3e-3}}})
    assert [dict(point.changes)["lr"] for point in tune.tuned(study, "mine").points] == [0.0009]


def test_the_rate_of_the_config_is_the_profiles_run():
    study = study_of(lambda tuning, recipe: 0.5)
    own = [tune.runs_of(study, point) for point in tune.tuned(study, "full").points if point.factor == 1]
    profile = steps_of(study.settings)[0].wanted(study).runs
    assert {run.id for run in own[0]} <= {run.id for run in profile}


def test_a_methods_own_recipe_is_where_its_grid_begins():
    study = study_of(lambda tuning, recipe: 0.5, **{"evaluate.recipes": {"full": {"lr": 1.0, "weight_decay": 0.5}}})
    points = tune.tuned(study, "full").points
    assert {dict(point.changes)["weight_decay"] for point in points} == {0.5}
    assert {dict(point.changes)["lr"] for point in points} >= {0.1, 1.0, 10.0}
    assert all("weight_decay" not in dict(point.changes) for point in tune.tuned(study, "mine").points)


def test_other_values_are_combined_with_the_rates():
    settings = {"tune.weight_decay": [0.0, 0.1], "tune.layer_decay": [0.5, 1.0], "tune.grow": False}
    study = study_of(lambda tuning, recipe: recipe.lr - abs(recipe.weight_decay - 0.1) - recipe.layer_decay, **settings)
    assert len(tune.tuned(study, "mine").points) == 3 * 2 * 2
    assert len(tune.tuned(study, "linear").points) == 3 * 2, "no layer learns, so none decays"
    assert dict(tune.chosen(study, "mine").changes) == {"lr": 10 * LR, "weight_decay": 0.1, "layer_decay": 0.5}


def test_ranks_are_tuned_of_lora_alone():
    settings = {"tune.rank": [2, 4], "evaluate.subsets": {"mine": "a+b", "low": "a+b with lora(rank=8)"}}
    study = study_of(lambda tuning, recipe: float("rank=4" in tuning), **settings)
    assert str(tune.chosen(study, "low").tuning) == "a+b with lora(rank=4)"
    assert len(tune.tuned(study, "mine").points) == 6, "three rates, grown three times"


def test_the_step_asks_for_all_grids_and_knows_which_come_later():
    known = study_of(lambda tuning, recipe: 0.5, **{"tune.grow": False})
    unknown = Study(known.settings, known.base, known.layers, lambda run: None)
    step = next(step for step in steps_of(SETTINGS) if step.name == "tune")
    wanted = step.wanted(unknown)
    assert len(wanted.runs) == 3 * 3 * 2, "linear, full and mine: three rates in two folds"
    assert len(wanted.later) == 2 * 3 * 2, "best_layer and greedy"
    assert not step.wanted(known).later


def test_with_one_rate_there_is_no_step():
    settings = SETTINGS | {"tune.lr": [1]}
    names = [step.name for step in steps_of(settings)]
    assert "tune" not in names
    assert next(step for step in steps_of(settings) if step.name == "evaluation").after == ("greedy",)
    assert next(step for step in steps_of(SETTINGS) if step.name == "evaluation").after == ("tune",)
    study = study_of(lambda tuning, recipe: 0.5, **{"tune.lr": [1]})
    assert evaluation.runs_of(study, "mine")[0].recipe == study.base.recipe


def test_a_method_whose_layers_do_not_exist_is_named():
    study = study_of(lambda tuning, recipe: 0.5, **{"evaluate.subsets": {"mine": "a+d"}})
    with pytest.raises(UserError, match="method 'mine': layer 'd' is not in this backbone"):
        tune.tuned(study, "mine")
    step = next(step for step in steps_of(study.settings) if step.name == "tune")
    assert "method 'mine'" in step.wanted(study).trouble


def test_the_same_layers_share_their_runs():
    study = study_of(lambda tuning, recipe: {"a": 0.9}.get(tuning, 0.5), **{"evaluate.subsets": {"mine": "a"}})
    assert tune.tuned(study, "mine") == tune.tuned(study, "best_layer") == tune.tuned(study, "greedy")
    assert Tuning(("a",)) == tune.chosen(study, "greedy").tuning


def test_a_tuned_profile_gives_each_layer_its_rate_and_best_layer_comes_from_it():
    def score(tuning, recipe):
        return {("a", LR): 0.8, ("b", LR): 0.7, ("b", 10 * LR): 0.9}.get((tuning, recipe.lr), 0.5)

    plain, each = (study_of(score, **{"profile.tune": tune}) for tune in (False, True))
    found = {str(point.tuning): point.factor for point in tuned_profile.best_points(each)}
    assert found == {"linear": 0.1, "a": 1, "b": 10, "c": 0.1, "full": 0.1}
    assert str(tune.untuned(plain, "best_layer").tuning) == "a"
    assert str(tune.untuned(each, "best_layer").tuning) == "b"
    names = [step.name for step in steps_of(each.settings)]
    assert names.index("tuned_profile") < names.index("tune")
    assert len(steps_of(each.settings)[1].wanted(each).runs) == 5 * 3 * 2


def test_another_first_seed_shares_no_run_of_any_step():
    def seeds(**settings):
        study = study_of(lambda tuning, recipe: 0.5, **{"search.seeds": 2, **settings})
        wanted = {step.name: step.wanted(study).runs for step in steps_of(study.settings)}
        return {name: {run.seed for run in runs} for name, runs in wanted.items() if runs}

    first = seeds()
    assert set(first) >= {"profile", "greedy/forward/1", "tune", "evaluation"}
    assert set().union(*first.values()) == {0, 1}
    assert seeds(**{"search.first_seed": 100}) == {name: {100, 101} for name in first}
