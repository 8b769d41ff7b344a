"""Pairs and windows, on scores made by hand: which runs they ask for, and what their tables and figures show."""

import pytest

from subtuning.analysis.figures import pairs as pairs_figure
from subtuning.analysis.figures import windows as windows_figure
from subtuning.analysis.tables import pairs as pairs_table
from subtuning.analysis.tables import windows as windows_table
from subtuning.errors import UserError
from subtuning.search.experiments import pairs, windows
from subtuning.search.steps import steps_of
from subtuning.search.study import Study
from tests.search.test_tune import SETTINGS as OF_TUNE
from tests.tiny import make_run

NAMES = ["a", "b", "c", "d"]
GAINS = {"a": 0.1, "b": 0.2, "c": 0.4, "d": 0.3}
LAYERS = {"layers": [{"name": name, "kind": "layer", "stage": "s", "parameters": 10} for name in NAMES]}
SETTINGS = OF_TUNE | {"search.metric": "accuracy", "experiments.pairs": {}, "experiments.windows": {}}


def study_of(diverged=(), **options):
    """A study in which two layers give what both give alone, but for `a+c`, which is best of all."""

    def get(run):
        layers = run.tuning.layers
        score = 0.2 + 0.5 * sum(GAINS[name] for name in layers if layers != "full") + 0.01 * (run.split.fold or 0)
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
