"""Figures of several tasks and backbones, and labels that cover nothing, however close the points are."""

from itertools import combinations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from subtuning.analysis.figures import profile_figure, style, tradeoff_figure, tune
from subtuning.analysis.figures.depths import FULL, Profiled, depths_figure
from subtuning.analysis.figures.heat import heat_figure
from subtuning.analysis.figures.labels import text_box, with_layers
from subtuning.analysis.tables.evaluation import evaluation_table
from subtuning.analysis.tables.profile import profile_table

RESNET = {f"layer{i}": [f"layer{i}.{j}" for j in range(n)] for i, n in enumerate((3, 4, 6, 3), start=1)}
BACKBONES = {
    "resnet50": RESNET,
    "resnet50.a1_in1k": RESNET,
    "convnext": {f"stages.{i}": [f"stages.{i}.blocks.{j}" for j in range(n)] for i, n in enumerate((3, 6, 20, 5))},
    "vit": {"blocks": [f"blocks.{i}" for i in range(12)]},
}
CLOSE = {
    "linear": ([], 0.940, 130_000),
    "full": ("full", 0.9405, 160_000),
    "best_layer": (["layer3.2"], 0.941, 150_000),
    "greedy": (["layer2.1", "layer3.2", "layer3.5", "layer4.0"], 0.9415, 151_000),
}


def profiled(make, task, backbone, seed=0, stages=None, diverged=(), **scores):
    layers = make.make_layers(stages or BACKBONES[backbone])
    records = make.make_profile_records(layers, make.make_scores(layers, 5, seed=seed, **scores), diverged=diverged)
    return Profiled(task, backbone, profile_table(records, layers))


def boxes_of(figure, texts):
    figure.draw_without_rendering()
    return [text_box(text) if isinstance(text, Annotation) else text.get_window_extent() for text in texts]


def nothing_overlaps(figure, texts):
    boxes = boxes_of(figure, texts)
    frame = figure.bbox.padded(1)
    assert all(frame.x0 <= b.x0 and b.x1 <= frame.x1 and frame.y0 <= b.y0 and b.y1 <= frame.y1 for b in boxes)
    found = [(a.get_text(), b.get_text()) for (a, one), (b, other) in combinations(zip(texts, boxes, strict=True), 2)
             if one.overlaps(other)]  # fmt: skip
    assert not found


@pytest.mark.parametrize("seed", range(4))
def test_labels_of_four_close_methods_do_not_overlap(make, seed):
    table = evaluation_table(make.make_evaluation_records(CLOSE, 5, seed=seed), make.make_layers(RESNET))
    figure = tradeoff_figure(table, "digits", "net_x")
    (axes,) = figure.axes
    assert len(axes.texts) == 4
    nothing_overlaps(figure, [*axes.texts, *figure.texts])


def test_labels_and_legends_name_the_layers_of_methods(make):
    table = evaluation_table(make.make_evaluation_records(CLOSE, 5), make.make_layers(RESNET))
    words = [text.get_text() for text in tradeoff_figure(table, "t", "b").axes[0].texts]
    assert "best_layer (93.8%)\nlayer3.2" in words
    assert "linear (81.2%)" in words
    assert "greedy (94.4%) " + " + ".join(CLOSE["greedy"][0]) in [word.replace("\n", " ") for word in words]
    rates = pd.DataFrame(
        [
            {"method": name, "layers": layers, "lr": lr, "mean": 0.9 + lr, "chosen": lr == 0.01, "n": 5}
            for name, layers in (("linear", "linear"), ("best_layer", "layer3.2"), ("greedy", "layer3.2"))
            for lr in (0.001, 0.01)
        ]
    ).assign(at_edge=False, recipe="")
    (legend,) = [axes.get_legend() for axes in tune.draw(rates, {}, "t", "b").axes]
    assert [text.get_text() for text in legend.get_texts()] == ["linear", "best_layer = greedy\nlayer3.2"]


def test_long_lists_of_layers_are_cut():
    words = with_layers("greedy", "+".join(f"stages.2.blocks.{number}" for number in range(9)))
    assert len(words.splitlines()) == 4
    assert words.endswith("…")
    assert with_layers("full", "full") == "full"


def test_the_chances_of_layers_do_not_cover_their_names(make):
    layers = make.make_layers({"a": ["a.0", "a.1"]})
    scores = {"stem": [0.4, 0.9], "a.0": [0.0, 1.0], "a.1": [0.1, 0.9], "linear": [0.5, 0.52], "full": [0.4, 0.6]}
    table = profile_table(make.make_profile_records(layers, scores), layers)
    figure = profile_figure(table.assign(p_best=[0.3, 0.4, 0.3, np.nan, np.nan]), layers, "t", "b")
    (axes,) = figure.axes
    shown = [text for text in axes.texts if text.get_text().endswith("%")]
    assert len(shown) == 3
    nothing_overlaps(figure, [*shown, *axes.get_xticklabels()])


@pytest.fixture(scope="module")
def grid(make):
    return [
        profiled(make, task, backbone, seed=5 * i + j, linear=0.86 - i / 3)
        for i, task in enumerate(("digits", "a_task_with_a_name_that_is_long"))
        for j, backbone in enumerate(BACKBONES)
    ]


@pytest.mark.parametrize(
    ("ends", "cut"),
    [
        ((0.45, 0.65), False),
        ((0.45, 0.665), False),
        ((0.45, 0.67), True),
        ((0.2, 0.62), True),
        ((-0.3, 1.2), True),
        ((np.nan, np.nan), False),
    ],
)
def test_intervals_are_cut_off_only_where_the_figure_says_so(ends, cut):
    """Means of 0.5 and 0.6, so there is room from 0.45 to 0.65, and the axis' own margin."""
    rows = pd.DataFrame(
        {"mean": [0.5, 0.6], "ci_low": [0.47, ends[0]], "ci_high": [0.53, ends[1]], "metric": "accuracy"}
    )
    shorter, words = style.without_wide(rows)
    axes = Figure().add_subplot()
    style.accuracy_axis(axes, [shorter])
    low, high = axes.get_ylim()
    beyond = (100 * rows["ci_low"].clip(0) < low) | (100 * rows["ci_high"].clip(None, 1) > high)
    assert bool(words) == beyond.any() == cut


def test_a_table_in_which_all_diverged_has_limits_too():
    rows = pd.DataFrame({"mean": [np.nan], "ci_low": [np.nan], "ci_high": [np.nan]})
    assert style.without_wide(rows)[1] == ""


def test_profiles_of_two_tasks_and_four_backbones_do_not_cover_each_other(grid):
    figure = depths_figure(grid)
    assert len(figure.axes) == 2
    for axes in figure.axes:
        assert len(axes.texts) == 4, "the best layer of each line has its name"
        nothing_overlaps(figure, [*axes.texts, axes.title, *axes.get_xticklabels(), *figure.texts])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(BACKBONES)
    nothing_overlaps(figure, [*legend.get_texts(), *(axes.xaxis.label for axes in figure.axes)])


def test_profiles_stand_over_their_relative_depth(make):
    item = profiled(make, "digits", "vit", diverged=["blocks.3"])
    table = item.profile.set_index("layer")
    assert item.gains["depth"].tolist() == pytest.approx([*np.linspace(0, 1, 13), FULL])
    assert item.gains.loc["full", "gain"] == pytest.approx(100 * table.loc["full", "diff_linear"])
    assert np.isnan(item.gains.loc["blocks.3", "gain"])
    (axes,) = depths_figure([item]).axes
    line = next(line for line in axes.lines if line.get_label() == "vit")
    assert line.get_ydata() == pytest.approx(item.gains["gain"].drop("full"), nan_ok=True)
    assert [text.get_text() for text in axes.texts] == [table["mean"].drop(["linear", "full"]).idxmax()]


def test_the_map_has_a_cell_for_each_task_and_layer(make):
    items = [profiled(make, f"task_{i}", "resnet50", i, diverged=["layer1.0"] if i == 1 else []) for i in range(3)]
    figure = heat_figure(items)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["task_0", "task_1", "task_2"]
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == [*items[0].gains.index]
    places = [(text, *map(int, text.get_position())) for text in axes.texts]
    written = {(row, names[column]): text.get_text() for text, column, row in places}
    assert len(written) == 3 * len(names)
    for row, item in enumerate(items):
        for name, gain in item.gains["gain"].items():
            assert written[row, name] == ("\N{MULTIPLICATION SIGN}" if np.isnan(gain) else f"{gain:+.1f}")
    frames = [patch for patch in axes.patches if isinstance(patch, mpl.patches.Rectangle)]
    best = [names.index(item.gains["gain"].drop("full").idxmax()) for item in items]
    assert [patch.get_xy() for patch in frames] == [(column, row) for row, column in enumerate(best)]
    nothing_overlaps(figure, [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels(), *figure.texts])


def test_what_is_not_clearly_different_has_no_colour(make):
    items = [profiled(make, task, "vit", i, linear=0.8, full=0.83, spread=0.012) for i, task in enumerate("ab")]
    (axes,) = heat_figure(items).axes
    shares = axes.collections[0].get_array()
    for row, item in enumerate(items):
        assert np.ma.getmaskarray(shares)[row].tolist() == item.gains["alike"].tolist()
    assert 0 < np.ma.count(shares) < shares.size
