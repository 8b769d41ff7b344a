"""Pairs and windows, on scores made by hand: which runs they ask for, and what their tables and figures show."""

import pytest

from subtuning.analysis.figures import pairs as pairs_figure
from subtuning.analysis.figures import stability as stability_figure
from subtuning.analysis.figures import windows as windows_figure
from subtuning.analysis.tables import pairs as pairs_table
from subtuning.analysis.tables import stability as stability_table
from subtuning.analysis.tables import windows as windows_table
from subtuning.errors import UserError
from subtuning.search.experiments import pairs, stability, windows
from subtuning.search.select import select
from subtuning.search.steps import steps_of
from subtuning.search.study import Study
from tests.search.test_tune import SETTINGS as OF_TUNE
from tests.tiny import make_run

NAMES = ["a", "b", "c", "d"]
GAINS = {"a": 0.1, "b": 0.2, "c": 0.4, "d": 0.3}
LAYERS = {"layers": [{"name": name, "kind": "layer", "stage": "s", "parameters": 10} for name in NAMES]}
SETTINGS = OF_TUNE | {"search.metric": "accuracy", "experiments.pairs": {}, "experiments.windows": {}}
SETTINGS |= {"experiments.stability": {}, "greedy.max_rounds": 2}


def study_of(diverged=(), moved=None, **options):
    """A study in which two layers give what both give alone, but for `a+c`, which is best of all.

    Where `moved` is true of a run, it is `d` that is best, and nothing helps it.
    """

    def get(run):
        layers = run.tuning.layers
        score = 0.2 + 0.5 * sum(GAINS[name] for name in layers if layers != "full") + 0.01 * (run.split.fold or 0)
        if moved and moved(run):
            score = 0.9 if layers == ("d",) else 0.1
        done = str(run.tuning) not in diverged
        return {
            "id": run.id, "names": {"task": "task", "backbone": "net"},
            "identity": run.identity() | {"fold": run.split.fold}, "seconds": 1.0,
            "trainable_parameters": 10 * len(layers), "status": "done" if done else "diverged",
            "metrics": {"accuracy": score + 0.2 * (str(run.tuning) == "a+c")} if done else None,
        }  # fmt: skip

    return Study(SETTINGS | {f"experiments.{name}": value for name, value in options.items()}, make_run(), LAYERS, get)


def step_of(name):
    return next(step for step in steps_of(SETTINGS | {"experiments": [name]}) if step.name == name)


def test_all_pairs_are_trained_once_a_fold():
    runs = step_of("pairs").wanted(study_of()).runs
    assert sorted({str(run.tuning) for run in runs}) == ["a+b", "a+c", "a+d", "b+c", "b+d", "c+d"]
    assert len(runs) == len(set(runs)) == 12
    assert {run.split.kind for run in runs} == {"cv"}


def test_windows_are_neighbours_of_each_size():
    assert [str(tuning) for tuning in windows.tunings(study_of())] == ["a+b", "b+c", "c+d", "a+b+c", "b+c+d"]
    assert [str(tuning) for tuning in windows.tunings(study_of(windows={"sizes": [4]}))] == ["a+b+c+d"]
    trouble = step_of("windows").wanted(study_of(windows={"sizes": [2, 5]})).trouble
    assert trouble == "experiments.windows.sizes has 5, but there are only 4 layers"


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        (pairs, {"size": 2}, "experiments.pairs.size is no option of this experiment; it has no options: write pairs"),
        (windows, {"size": 2}, "experiments.windows.size is no option of this experiment; its options are sizes"),
        (windows, {"sizes": [1]}, "experiments.windows.sizes is [1]; it must be a list of whole numbers from 2"),
        (windows, {"sizes": [2, 2]}, "it must be a list of whole numbers from 2"),
        (windows, {"sizes": 2}, "it must be a list of whole numbers from 2"),
    ],
)
def test_wrong_options_are_told(module, options, words):
    name = module.__name__.rpartition(".")[2]
    with pytest.raises(UserError) as told:
        module.names({f"experiments.{name}": options})
    assert words in str(told.value)


def test_pairs_stand_beside_single_layers():
    table = pairs_table.table(study_of(diverged=["b+d"]), step_of("pairs")).set_index(["first", "second"])
    assert len(table) == 4 + 6
    assert table["mean"].idxmax() == ("a", "c")
    assert table.loc[("c", "c"), "mean"] == pytest.approx(0.405)
    assert table.loc[("a", "c"), "diff_best"] == pytest.approx(0.25)
    assert table.loc[("c", "c"), "diff_best"] == 0
    diverged = table.loc[("b", "d")]
    assert diverged[["mean", "diff_best"]].isna().all()
    assert diverged["n"] == 0


def test_figures_show_what_is_best_and_what_diverged():
    table = pairs_table.table(study_of(diverged=["b+d"]), step_of("pairs"))
    figure = pairs_figure.draw(table, LAYERS, "digits", "net")
    shown = [text.get_text() for text in (*figure.axes[0].texts, *figure.texts)]
    assert {"65.5", "x"} <= set(shown)
    assert "The best pair, a and c, differs from the best single layer by +25.0" in " ".join(shown).replace("\n", " ")
    corners = [patch.get_xy() for patch in figure.axes[0].patches]
    assert corners == [(1.5, 1.5), (1.5, -0.5)]
    table = windows_table.table(study_of(diverged=["b+c"]), step_of("windows"))
    assert list(table["size"]) == [1] * 4 + [2] * 3 + [3] * 2
    figure = windows_figure.draw(table, LAYERS, "digits", "net")
    lines = {line.get_label(): list(line.get_xdata()) for line in figure.axes[0].lines}
    assert len(lines["one layer"]) == 4
    assert len(lines["2 layers"]) == len(lines["3 layers"]) == 2
    assert "1 of 9, of which a run diverged" in " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


SEARCHES = {"seeds": 3, "folds": [3], "epochs": [5], "lr": [0.1], "epsilon": [0.25], "stop": []}


def test_whole_searches_are_made_again():
    study = study_of(stability=SEARCHES)
    runs = step_of("stability").wanted(study).runs
    assert {(run.seed, run.split.folds, run.recipe.epochs, run.recipe.lr) for run in runs} == {
        (0, 2, 2, 0.01), (1, 2, 2, 0.01), (2, 2, 2, 0.01), (0, 3, 2, 0.01), (0, 2, 5, 0.01), (0, 2, 2, 0.001)
    }  # fmt: skip
    assert {run.split.kind for run in runs} == {"cv"}
    assert len(runs) == len(set(runs))


def test_the_first_round_is_asked_for_before_the_second_is_known():
    study = study_of(stability=SEARCHES)
    study.get = lambda run: None
    wanted = step_of("stability").wanted(study)
    assert max(run.tuning.size or 0 for run in wanted.runs) == 1
    assert len(wanted.later) == 3 * (5 * 2 + 3) + 3 * 2  # 3 candidates of a second round, 5 x 2 + 3 + 2 folds


def test_the_table_tells_which_searches_choose_otherwise():
    study = study_of(moved=lambda run: run.seed == 2 or run.recipe.epochs == 5, stability=SEARCHES)
    table = stability_table.table(study, step_of("stability")).set_index("variant")
    assert list(table.index) == [
        "as configured", "seed 1", "seed 2", "3 folds", "5 epochs", "lr x 0.1", "epsilon 0.25"
    ]  # fmt: skip
    assert table["layers"].tolist() == ["a+c", "a+c", "d", "a+c", "d", "a+c", "linear"]
    assert table["best_layer"].tolist() == ["c", "c", "d", "c", "d", "c", "c"]
    assert table["overlap"].tolist() == [1, 1, 0, 1, 0, 1, 0]
    assert table.loc["as configured", ["gain_1", "gain_2"]].tolist() == [pytest.approx(0.2), pytest.approx(0.25)]
    assert table["gain_2"].isna().tolist() == [False, False, True, False, True, False, False]
    shared, same, twos = stability_table.agreement(table.reset_index())
    assert (shared, same, twos) == (pytest.approx(1 / 3), pytest.approx(1 / 3), 3)
    figure = stability_figure.draw(table.reset_index(), LAYERS, "digits", "net")
    words = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    assert "share 33% of their layers (mean of 3); 33% choose exactly the same" in words


def test_wrong_options_of_the_stability_are_told():
    for options, words in (
        ({"seeds": 0}, "stability.seeds is 0; it must be a whole number from 1"),
        ({"lr": [0]}, "stability.lr is [0]; it must be a list of factors"),
        ({"stop": ["luck"]}, "stability.stop is ['luck']; it must be a list of test, one_se, epsilon"),
    ):
        with pytest.raises(UserError) as told:
            stability.names({"experiments.stability": options})
        assert words in str(told.value)


def test_layers_drawn_by_chance_have_no_more_parameters_than_greedys():
    drawn = {str(select(f"random_sized seed {seed}", study_of())) for seed in range(12)}
    assert len(drawn) > 2
    assert all(text.count("+") == 1 for text in drawn)  # all layers have equally many
    with pytest.raises(UserError, match="write random_sized seed N"):
        select("random_sized 2", study_of())
    unfinished = study_of()
    unfinished.get = lambda run: None
    assert select("random_sized", unfinished) is None
