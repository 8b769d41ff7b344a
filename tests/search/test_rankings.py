"""Selectors and the table of cheap rankings, on scores made by hand."""

import pytest
from scipy.stats import kendalltau, spearmanr

from subtuning.analysis.figures.rankings import draw
from subtuning.analysis.tables import rankings as tables
from subtuning.errors import UserError
from subtuning.search import rankings
from subtuning.search.experiments import rankings as experiment
from subtuning.search.select import select
from subtuning.search.steps import steps_of
from subtuning.search.study import Study
from tests.search.test_tune import SETTINGS as OF_TUNE
from tests.tiny import make_run

NAMES = ["a", "b", "c", "d"]
MEASURED = {"a": 0.5, "b": 0.6, "c": 0.9, "d": 0.8}
SCORES = {
    "gradient": [4, 3, 2, 1], "fisher": [1, 2, 3, 4], "probed_gradient": [1, 2, 4, 3], "displacement": [2, 1, 4, 3]
}  # fmt: skip
LAYERS = {"layers": [{"name": name, "kind": "layer", "stage": "s", "parameters": 10} for name in NAMES]}
SETTINGS = OF_TUNE | {"search.metric": "accuracy", "evaluate.subsets": {}}


def study_of(status="done", finished=True, asked=None):
    def get(run):
        if asked is not None:
            asked.append(run)
        about = {
            "id": run.id, "identity": run.identity() | {"fold": run.split.fold}, "precision": "fp32", "seconds": 6.0
        }  # fmt: skip
        strategy = run.recipe.strategy
        if strategy == "all":
            score = MEASURED.get(str(run.tuning), 0.4) + 0.01 * run.split.fold
            return about | {"status": "done", "metrics": {"accuracy": score}}
        last = {f"{key}/{name}": 1.0 * value for key in ("fisher", "displacement")
                for name, value in zip(NAMES, SCORES[key], strict=True)}  # fmt: skip
        of = {key: {f"gradient/{n}": v for n, v in zip(NAMES, SCORES[key], strict=True)} for key in SCORES}
        curve = [last | of["gradient"], {}, last | of["probed_gradient"]]
        return about | {"status": status, "metrics": {"accuracy": 0.1}, "curve": curve} if finished else None

    return Study(SETTINGS, make_run(), LAYERS, get)


@pytest.mark.parametrize(
    ("words", "layers"),
    [
        ("gradient 1", "a"), ("gradient 2 with biases", "a+b with biases"), ("fisher 2", "c+d"),
        ("probed_gradient 1", "c"), ("displacement 3", "a+c+d"),
    ],
)  # fmt: skip
def test_a_ranking_chooses_the_layers_with_the_highest_scores(words, layers):
    assert str(select(words, study_of())) == layers


def test_layers_are_not_known_before_the_run_is_finished_but_wrong_words_are():
    assert select("fisher 2", study_of(finished=False)) is None
    with pytest.raises(UserError, match="'fisher 5': write fisher K, with K from 1 to 4"):
        select("fisher 5", study_of(finished=False))
    with pytest.raises(UserError, match="the short run of the ranking 'fisher' diverged; lower"):
        select("fisher 2", study_of("diverged"))


def test_the_table_compares_each_ranking_with_the_profile_and_never_reads_the_test():
    asked = []
    found = tables.table(study_of(asked=asked), experiment.step("rankings", SETTINGS)).set_index("ranking")
    assert {run.split.kind for run in asked} == {"cv", "val"}
    measured = list(MEASURED.values())
    for name, scores in SCORES.items():
        assert found.loc[name, "spearman"] == pytest.approx(spearmanr(scores, measured).statistic)
        assert found.loc[name, "kendall"] == pytest.approx(kendalltau(scores, measured).statistic)
        assert found.loc[name, "ci_low"] <= found.loc[name, "spearman"] <= found.loc[name, "ci_high"]
    assert list(found["layer"]) == ["a", "d", "c", "c", "c"]
    assert list(found["lost"][:4]) == pytest.approx([0.4, 0.1, 0, 0])
    assert list(found["seconds"]) == [2, 2, 6, 6, 6 * 12]
    assert list(found.loc["profile", NAMES]) == pytest.approx([score + 0.005 for score in measured])


def test_a_ranking_whose_run_diverged_has_no_numbers():
    found = tables.table(study_of("diverged"), experiment.step("rankings", SETTINGS))
    assert found.set_index("ranking")["spearman"].isna().all()
    assert len(draw(found, LAYERS, "task", "net").axes) == 4


def test_the_figure_has_a_panel_a_ranking():
    found = tables.table(study_of(), experiment.step("rankings", SETTINGS))
    panels = draw(found, LAYERS, "task", "net").axes
    assert [len(axes.lines) for axes in panels] == [4] * 4
    assert [axes.texts[0].get_text() for axes in panels] == ["a", "d", "c", "c"]


def test_the_step_is_there_when_it_is_asked_for_or_needed_and_comes_before_the_evaluation():
    def of(**changes):
        return {step.name: step.after for step in steps_of(SETTINGS | changes)}

    assert "rankings" not in of()
    asked = of(experiments=["rankings"], **{"experiments.rankings": {}})
    assert "rankings" in asked
    assert "rankings" not in asked["tune"]
    needed = of(**{"evaluate.subsets": {"mine": "gradient 2"}})
    assert list(needed).index("rankings") < list(needed).index("tune")
    assert "rankings" in needed["tune"]
    with pytest.raises(UserError, match="it has no options: write rankings"):
        of(experiments=["rankings"], **{"experiments.rankings": {"size": 2}})


def test_three_rankings_share_one_run():
    assert len({rankings.run_of(study_of(), name) for name in rankings.RANKINGS}) == 2
