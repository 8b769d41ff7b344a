"""Figures: every label is there and readable, nothing overlaps, and the files are the same bytes every time."""

import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest

from subtuning.analysis.figures import greedy_figure, profile_figure, save, style, tradeoff_figure
from subtuning.analysis.figures.labels import text_box
from subtuning.analysis.figures.tradeoff import short_count
from subtuning.analysis.files import read_csv, write_csv
from subtuning.analysis.tables.evaluation import evaluation_table
from subtuning.analysis.tables.greedy import greedy_table
from subtuning.analysis.tables.profile import profile_table

SIX = {"layer": [f"layer{i}" for i in range(1, 6)]}
FIFTY = {f"stages.{i}": [f"stages.{i}.blocks.{j}" for j in range(n)] for i, n in enumerate((3, 6, 36, 5))}
METHODS = {
    "linear": ([], 0.86, 12_810),
    "full": ("full", 0.94, 3_400_000),
    "best_layer": (["layer1"], 0.95, 140_000),
    "greedy": (["layer1", "layer2"], 0.962, 470_000),
}
MANY = METHODS | {
    "last_two": (["layer4", "layer5"], 0.948, 600_000),
    "mine": (["layer2"], 0.951, 150_000),
    "early_and_late": (["stem", "layer5"], 0.93, 700_000),
    "everything_but_stem": (["layer1", "layer5"], 0.941, 3_300_000),
}


def texts(figure, tmp_path):
    """All text of the figure's SVG, each piece once a line."""
    save(figure, tmp_path / "figure.svg")
    root = ElementTree.parse(tmp_path / "figure.svg").getroot()
    return [" ".join("".join(node.itertext()).split()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


def profile_of(make, stages=SIX, count=5, **changes):
    layers = make.make_layers(stages)
    return layers, profile_table(make.make_profile_records(layers, make.make_scores(layers, count), **changes), layers)


def evaluation_of(make, methods=METHODS, seeds=5, **changes):
    return evaluation_table(make.make_evaluation_records(methods, seeds, **changes), make.make_layers(SIX))


def inside(figure, artists):
    """Whether all artists lie within the figure, and the boxes (pixels)."""
    figure.draw_without_rendering()
    boxes = [artist.get_window_extent() for artist in artists]
    frame = figure.bbox.padded(1)
    return all(frame.x0 <= b.x0 and b.x1 <= frame.x1 and frame.y0 <= b.y0 and b.y1 <= frame.y1 for b in boxes), boxes


def test_a_layer_that_left_the_race_is_small_and_no_best(make, tmp_path):
    """Its only fold lies above all others' means, and it is placed by its difference to linear there."""
    layers = make.make_layers(SIX)
    scores = make.make_scores(layers, 3) | {"layer5": [0.99, 0.1, 0.1], "linear": [0.9, 0.5, 0.4]}
    records = make.make_profile_records(layers, scores)
    records = [r for r in records if r["identity"]["subset"] != ["layer5"] or r["identity"]["fold"] == 0]
    figure = profile_figure(profile_table(records, layers, raced=True), layers, "t", "b")
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "o" and line.get_color() == style.FAINT]
    assert [line.get_ydata()[0] for line in marks] == pytest.approx([60 + 9])
    found = " ".join(texts(figure, tmp_path))
    assert "left the race early (1)" in found
    assert "99.0" not in found


@pytest.mark.parametrize("stages", [SIX, FIFTY])
def test_profile_names_every_layer_and_both_baselines(make, tmp_path, stages):
    layers, table = profile_of(make, stages)
    found = texts(profile_figure(table, layers, "digits", "net_x"), tmp_path)
    assert set(table["layer"][:-2]) <= set(found)
    for name in ("linear", "full"):
        assert f"{name} {100 * table.set_index('layer').loc[name, 'mean']:.1f}" in found
    assert "Finetuning profile: digits, net_x" in found
    words = " ".join(found)
    assert "n = 5 folds, Nadeau-Bengio corrected" in words
    assert "cross-validation on train + val" in words


@pytest.mark.parametrize("stages", [SIX, FIFTY])
def test_profile_labels_are_readable(make, stages):
    layers, table = profile_of(make, stages)
    figure = profile_figure(table, layers, "a_task_with_a_long_name", "a_backbone.with_a_longer_name_in22k_ft_in1k")
    (axes,) = figure.axes
    labels = axes.get_xticklabels()
    whole, boxes = inside(figure, [*labels, *axes.texts, *figure.texts])
    assert whole
    ticks = boxes[: len(labels)]
    assert all(left.x1 <= right.x0 + 1 for left, right in pairwise(ticks))
    assert min(label.get_fontsize() for label in labels) >= 8


def test_profile_marks_a_diverged_layer(make, tmp_path):
    layers, table = profile_of(make, diverged=["layer2"])
    found = texts(profile_figure(table, layers, "t", "b"), tmp_path)
    assert found.count("diverged") == 1
    assert "linear: diverged" not in found
    layers, table = profile_of(make, diverged=["linear"])
    assert "linear: diverged" in texts(profile_figure(table, layers, "t", "b"), tmp_path)


def test_profile_draws_means_and_intervals_where_the_table_says(make):
    layers, table = profile_of(make)
    (axes,) = profile_figure(table, layers, "t", "b").axes
    assert [float(box.lines[0].get_ydata()[0]) for box in axes.containers] == pytest.approx(100 * table["mean"][:-2])
    (bar,) = axes.containers[2].lines[2][0].get_segments()
    assert bar[:, 1] == pytest.approx([100 * table["ci_low"][2], 100 * table["ci_high"][2]])
    low, high = axes.get_ylim()
    assert low < 100 * table["ci_low"].min()
    assert high > 100 * table["ci_high"].max()


def test_profile_opens_the_circle_of_a_layer_like_linear(make):
    layers = make.make_layers({"a": ["a.0"]})
    linear = np.array([0.50, 0.55, 0.52])
    scores = {"stem": linear + np.array([0.01, -0.01, 0.002]), "a.0": linear + 0.2, "linear": linear, "full": linear}
    (axes,) = profile_figure(profile_table(make.make_profile_records(layers, scores), layers), layers, "t", "b").axes
    faces = [mpl.colors.to_hex(box.lines[0].get_markerfacecolor()) for box in axes.containers]
    assert faces[0] == "#ffffff"
    assert faces[1] != "#ffffff"


def test_profile_of_the_test_set_says_so(make, tmp_path):
    layers = make.make_layers(SIX)
    for seeds, words in ((3, "95% t intervals over n = 3 seeds"), (1, "One run each, so no interval")):
        records = make.make_profile_records(layers, make.make_scores(layers, seeds), split="test")
        figure = profile_figure(profile_table(records, layers, test_set=True), layers, "t", "b", split="test")
        found = " ".join(texts(figure, tmp_path))
        assert words in found
        assert "test images" in found
        assert "Nadeau" not in found


def test_greedy_names_choices_stop_and_diverged(make, tmp_path):
    layers, profile = profile_of(make)
    rounds = make.make_rounds(layers, 3)
    rounds[1]["candidates"][0 if rounds[1]["choice"] != rounds[1]["candidates"][0]["layer"] else 1]["scores"] = None
    found = texts(greedy_figure(greedy_table(rounds), profile, "digits", "net_x"), tmp_path)
    assert "linear" in found
    assert f"+ {rounds[0]['choice']}" in found
    assert "(1 diverged)" in found
    assert rounds[-1]["stopped"]
    assert "(rejected: stop)" in found
    best = max(np.mean(candidate["scores"]) for candidate in rounds[0]["candidates"])
    assert f"{100 * best:.1f}" in found


def test_greedy_does_not_call_what_was_dropped_from_a_race_diverged(make, tmp_path):
    layers, profile = profile_of(make)
    rounds = make.make_rounds(layers, 2)
    lost = [candidate for candidate in rounds[1]["candidates"] if candidate["layer"] != rounds[1]["choice"]]
    lost[0]["scores"] = None
    for candidate in lost[1:3]:
        candidate |= {"scores": candidate["scores"][:2], "dropped": True}
    found = texts(greedy_figure(greedy_table(rounds), profile, "digits", "net_x"), tmp_path)
    assert {"(2 dropped)", "(1 diverged)"} <= set(found)
    assert "could hardly win any more" in " ".join(found)


def test_greedy_starts_from_the_base_of_round_one(make):
    layers, profile = profile_of(make)
    rounds = make.make_rounds(layers, 2)
    (axes,) = greedy_figure(greedy_table(rounds), profile, "t", "b").axes
    start = axes.containers[0].lines
    assert float(start[0].get_ydata()[0]) == pytest.approx(100 * np.mean(rounds[0]["base_scores"]))
    assert not start[2]  # other folds than the profile's: no interval is known
    rounds[0]["base_scores"] = list(make.make_scores(layers, 5)["linear"])
    (axes,) = greedy_figure(greedy_table(rounds), profile, "t", "b").axes
    assert axes.containers[0].lines[2]


def test_greedy_both_directions_in_two_panels(make, tmp_path):
    layers, profile = profile_of(make, FIFTY)
    rounds = make.make_rounds(layers, 3) + make.make_rounds(layers, 2, direction="backward", start=0.93)
    figure = greedy_figure(greedy_table(rounds), profile, "t", "b")
    assert len(figure.axes) == 2
    found = texts(figure, tmp_path)
    assert {"adding layers", "removing layers"} <= set(found)
    assert any(text.startswith("\N{MINUS SIGN} stages.") for text in found)


def test_greedy_does_not_call_the_lost_direction_a_stop(make, tmp_path):
    layers, profile = profile_of(make)
    rounds = make.make_rounds(layers, 3, stop=False) + make.make_rounds(layers, 2, direction="backward", stop=False)
    found = texts(greedy_figure(greedy_table(rounds, direction="forward"), profile, "t", "b"), tmp_path)
    assert found.count("(not kept)") == 2
    assert "(rejected: stop)" not in found


def test_greedy_without_a_finished_candidate(make, tmp_path):
    layers, profile = profile_of(make)
    rounds = make.make_rounds(layers, 1)
    for candidate in rounds[0]["candidates"]:
        candidate["scores"] = None
    rounds[0] |= {"choice": None, "stopped": True}
    assert "no choice" in texts(greedy_figure(greedy_table(rounds), profile, "t", "b"), tmp_path)


@pytest.mark.parametrize("methods", [METHODS, MANY])
def test_tradeoff_labels_cover_nothing(make, methods):
    figure = tradeoff_figure(evaluation_of(make, methods), "digits", "net_x")
    (axes,) = figure.axes
    whole, _ = inside(figure, axes.texts)
    assert whole
    assert len(axes.texts) == len(methods)
    boxes = [text_box(text) for text in axes.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    points = [
        axes.transData.transform((box.lines[0].get_xdata()[0], box.lines[0].get_ydata()[0])) for box in axes.containers
    ]
    assert not any(box.contains(*point) for box in boxes for point in points)


def test_tradeoff_merges_one_subset_and_names_the_diverged(make, tmp_path):
    methods = METHODS | {"greedy": METHODS["best_layer"], "mine": (["layer3"], None, 150_000)}
    found = texts(tradeoff_figure(evaluation_of(make, methods), "t", "b"), tmp_path)
    assert "best_layer = greedy (4.12%)" in found
    assert not any(text.startswith("mine") for text in found)
    assert any("Diverged, so not shown: mine." in text for text in found)


def test_tradeoff_tells_recipes_of_the_same_layers_apart(make, tmp_path):
    """Layer-wise decay, LP-FT and the like all train `full`, each in its own way."""
    table = evaluation_of(make, METHODS | {"lp_ft": METHODS["full"]})
    found = texts(tradeoff_figure(table.assign(recipe=["", "", "", "", '{"strategy": "lp_ft"}']), "t", "b"), tmp_path)
    assert not any("=" in text for text in found if "lp_ft" in text or text.startswith("full"))


def test_many_methods_stand_in_rows_the_best_on_top(make):
    pairs = [["layer1", f"layer{i}"] for i in range(3, 6)] + [["stem", f"layer{i}"] for i in range(1, 6)]
    methods = METHODS | {f"own_{i}": (pair, 0.9 + i / 1000, 10_000 + i) for i, pair in enumerate(pairs)}
    axes, cost = tradeoff_figure(evaluation_of(make, methods), "t", "b").axes
    drawn = [(box.lines[0].get_ydata()[0], box.lines[0].get_xdata()[0]) for box in axes.containers]
    assert [score for _, score in sorted(drawn)] == sorted((score for _, score in drawn), reverse=True)
    names = [label.get_text().split(" (")[0] for label in axes.get_yticklabels()]
    assert len(names) == len(drawn) == len(methods)
    assert {"linear", "full", "own_7"} <= set(names)
    scores, costs = dict(drawn), {line.get_ydata()[0]: line.get_xdata()[0] for line in cost.lines[1:]}
    beaten = {a for a in scores for b in scores if costs[b] < costs[a] and scores[b] >= scores[a]}
    filled = {line.get_ydata()[0] for line in cost.lines[1:] if line.get_markerfacecolor() != "white"}
    assert filled == scores.keys() - beaten
    assert 2 <= len(filled) < len(methods)


@pytest.mark.parametrize(("seeds", "names"), [(1, ["linear", "full"]), (2, list(METHODS))])
def test_tradeoff_of_few_runs(make, tmp_path, seeds, names):
    table = evaluation_of(make, {name: METHODS[name] for name in names}, seeds, noise=0.03)
    assert any(text.startswith("full") for text in texts(tradeoff_figure(table, "t", "b"), tmp_path))


def test_short_counts():
    assert [short_count(n) for n in (950, 12_000, 3_400_000, 1.2e9)] == ["950", "12k", "3.4M", "1.2B"]


def test_the_same_tables_give_the_same_bytes(make, tmp_path):
    layers, profile = profile_of(make)
    greedy, evaluation = greedy_table(make.make_rounds(layers, 2)), evaluation_of(make)
    draws = {
        "profile": lambda: profile_figure(profile, layers, "t", "b"),
        "greedy": lambda: greedy_figure(greedy, profile, "t", "b"),
        "tradeoff": lambda: tradeoff_figure(evaluation, "t", "b"),
    }
    for name, draw in draws.items():
        first, second = ([tmp_path / f"{turn}.{kind}" for kind in ("svg", "png")] for turn in "ab")
        save(draw(), *first, dpi=60)
        with mpl.rc_context({"font.size": 30, "axes.grid": True}):  # a user's own matplotlibrc
            save(draw(), *second, dpi=60)
        for one, other in zip(first, second, strict=True):
            assert one.read_bytes() == other.read_bytes(), name


def test_figures_draw_tables_from_disk(make, tmp_path):
    layers, profile = profile_of(make, diverged=["layer1"])
    tables = {
        "profile": profile,
        "greedy": greedy_table(make.make_rounds(layers, 2)),
        "evaluation": evaluation_of(make),
    }
    for name, table in tables.items():
        write_csv(table, tmp_path / name)
        tables[name] = read_csv(tmp_path / name)
    assert profile_figure(tables["profile"], layers, "t", "b").axes
    assert greedy_figure(tables["greedy"], tables["profile"], "t", "b").axes
    assert tradeoff_figure(tables["evaluation"], "t", "b").axes
