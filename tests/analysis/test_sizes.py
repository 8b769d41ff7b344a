"""Sizes of the training set: which tasks belong together, and what their tables and figure show."""

import pandas as pd
import pytest

from subtuning.analysis.figures.sizes import sizes_figure
from subtuning.analysis.sizes import crossings, draws_of, layers_table, sizes_notes, sizes_table, sizes_words

METHODS = ["linear", "best_layer", "full"]
UNSURE = ", by means alone: their intervals do not tell them apart"


def facts(images, draw=0, **source):
    own = {"train_images": images, "draw": draw} if images else {}
    counts = {"train": images - 10, "val": 10} if images else {"train": 800, "val": 200}
    return {"source": {"source": "arrays", "path": "cifar10.npz"} | source | own, "counts": counts | {"test": 500}}


FACTS = {
    "cifar10_100_0": facts(100), "cifar10_100_1": facts(100, 1), "cifar10_1000_0": facts(0),
    "other_100": facts(100, path="other.npz"), "digits": facts(0, path="digits.npz"),
}  # fmt: skip


def item(task, scores, layers, chosen):
    evaluation = pd.DataFrame({"method": METHODS, "mean": scores, "layers": ["linear", chosen, "full"]})
    profile = pd.DataFrame({"layer": ["a", "b", "linear", "full"], "mean": [*layers, 0.1, 0.2]})
    return task, "net", evaluation.assign(metric="accuracy"), profile.assign(metric="accuracy")


ITEMS = [
    item("digits", [0.1, 0.2, 0.3], [0.1, 0.2], "b"),
    item("cifar10_100_0", [0.4, 0.5, 0.3], [0.4, 0.6], "b"),
    item("cifar10_1000_0", [0.5, 0.7, 0.8], [0.7, 0.6], "a"),
    item("cifar10_100_1", [0.4, 0.6, 0.4], [0.5, 0.4], "a"),
]


def test_tasks_that_differ_in_size_and_draw_alone_are_a_family():
    draws = draws_of(FACTS)
    assert {task: tuple(draw) for task, draw in draws.items()} == {
        "cifar10_100_0": ("cifar10", 100), "cifar10_100_1": ("cifar10", 100), "cifar10_1000_0": ("cifar10", 1000)
    }  # fmt: skip


def test_a_draw_counts_once():
    table = sizes_table(ITEMS, draws_of(FACTS)).set_index(["images", "method"])
    assert list(table.index) == [(images, method) for images in (100, 1000) for method in METHODS]
    small = table.loc[(100, "best_layer")]
    assert small[["mean", "n", "diff_full"]].tolist() == [pytest.approx(0.55), 2, pytest.approx(0.2)]
    assert small["layers"] == "b (1), a (1)"
    assert small["ci_low"] < 0.55 < small["ci_high"]
    assert table.loc[(1000, "full"), ["mean", "n"]].tolist() == [0.8, 1]
    assert table.loc[(1000, "full"), ["ci_low", "diff_full"]].isna().all()


def test_a_size_of_which_a_draw_diverged_has_no_number():
    items = [*ITEMS[:3], item("cifar10_100_1", [0.4, None, 0.4], [None, None], "a")]
    table = sizes_table(items, draws_of(FACTS)).set_index(["images", "method"])
    assert table.loc[(100, "best_layer"), "n"] == 1
    assert table.loc[(100, "best_layer"), ["mean", "diff_full"]].isna().all()
    assert sizes_words(table.reset_index())["100"].tolist() == ["40.0 ± 0.0", "diverged", "35.0 [0.0, 98.5]"]
    layers = layers_table(items, draws_of(FACTS)).set_index(["images", "layer"])
    assert layers["best"].tolist() == [0, 1, 1, 0]
    assert layers["mean"].isna().tolist() == [True, True, False, False]
    assert sizes_figure(table.reset_index(), layers.reset_index()).axes


def test_the_best_layer_of_each_size_and_where_methods_cross_are_told():
    table, layers = sizes_table(ITEMS, draws_of(FACTS)), layers_table(ITEMS, draws_of(FACTS))
    best = layers.set_index(["images", "layer"])["best"]
    assert best.tolist() == [1, 1, 1, 0]
    assert crossings(table) == [
        "cifar10/net: full overtakes linear between 100 and 1,000 images" + UNSURE,
        "cifar10/net: full overtakes best_layer between 100 and 1,000 images" + UNSURE,
    ]
    sure = table.assign(diff_full_ci_low=table["diff_full"] - 0.001, diff_full_ci_high=table["diff_full"] + 0.001)
    assert crossings(sure)[0] == "cifar10/net: full overtakes linear between 100 and 1,000 images"
    assert "over 1 to 2 draws of them (one draw has none)" in sizes_notes(table)[0]
    figure = sizes_figure(table, layers)
    curves, best = figure.axes[:2]
    assert [line.get_label() for line in curves.lines if not str(line.get_label()).startswith("_")] == METHODS
    assert [text.get_text() for text in curves.get_xticklabels()] == ["100", "1,000"]
    assert [tuple(line.get_ydata()) for line in best.lines] == [(1,), (0,)]


def test_without_a_family_there_is_nothing_to_show():
    table, layers = sizes_table(ITEMS, {}), layers_table(ITEMS, {})
    assert table.empty
    assert "No task is there in several sizes" in sizes_figure(table, layers).texts[1].get_text()
