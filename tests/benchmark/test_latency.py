"""What a further task costs: the table, what is known of accuracy in it, and the figure."""

import json

import numpy as np
import pandas as pd
import pytest

from subtuning.analysis.figures.front import front
from subtuning.analysis.figures.latency import draw
from subtuning.analysis.files import read_csv
from subtuning.benchmark.latency import TIMM, Choice, choices, latencies
from subtuning.cli import main
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, Tuning
from tests.deploy.conftest import write_weights
from tests.tiny import CPU

NAMES = ["stem", "layer1.0", "layer2.0", "layer3.0", "layer4.0"]
PROFILE = pd.DataFrame({"layer": ["linear", *NAMES, "full"], "mean": [0.5, 0.5, 0.6, 0.8, 0.7, 0.7, 0.75]})
PROFILE["metric"] = "accuracy"
SELECTED = {"tuning": "layer2.0+layer4.0", "score": 0.85, "scores": [0.8, 0.9]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A results folder with a described backbone, and what the profile and the search of a task of 5 classes found."""
    results = tmp_path_factory.mktemp("latency") / "results"
    for name in ("backbones/net", "tasks/tiny", "tiny/net"):
        (results / name).mkdir(parents=True)
    layers = write_weights(results / "backbones/net", "test_resnet")
    (results / "backbones/net/layers.json").write_text(json.dumps(layers))
    counts = dict.fromkeys(["train", "val", "test"], 5)
    facts = {"name": "tiny", "classes": list("abcde"), "counts": counts, "image_size": [8, 8, 3], "sha256": "0"}
    facts["label_counts"] = dict.fromkeys(counts, [1] * 5)
    (results / "tasks/tiny/task.json").write_text(json.dumps(facts))
    PROFILE.to_csv(results / "tiny/net/profile.csv", index=False)
    (results / "tiny/net/selected.json").write_text(json.dumps(SELECTED))
    return results


@pytest.fixture(scope="module")
def layers(folder):
    return json.loads((folder / "backbones/net/layers.json").read_text())


def test_what_is_tried(layers):
    found = {choice.name: choice for choice in choices(layers, PROFILE, SELECTED)}
    assert list(found) == ["linear", *NAMES, "full", "greedy", "full, lora", "greedy, lora"]
    assert found["greedy"] == Choice("greedy", Tuning(("layer2.0", "layer4.0")), 0.85)
    assert [found[name].score for name in ("linear", "layer2.0", "full")] == [0.5, 0.8, 0.75]
    assert str(found["greedy, lora"].tuning) == "layer2.0+layer4.0 with lora"
    assert np.isnan(found["greedy, lora"].score)


def test_what_is_not_known_is_no_number(layers):
    assert all(np.isnan(choice.score) for choice in choices(layers))
    on_val = {"tuning": "layer2.0", "score": 0.9, "scores": [0.9]}
    assert [np.isnan(c.score) for c in choices(layers, PROFILE, on_val) if c.name == "greedy"] == [True]
    nothing = {"tuning": "linear", "score": 0.5, "scores": [0.5, 0.5]}
    assert "greedy" not in {choice.name for choice in choices(layers, PROFILE, nothing)}
    by_biases = {"tuning": "layer2.0 with biases", "score": 0.5, "scores": [0.5, 0.5]}
    assert [str(c.tuning) for c in choices(layers, PROFILE, by_biases)][-3:] == [
        *("layer2.0", "full with biases", "layer2.0 with biases")
    ]


def test_the_memory_that_a_task_adds(folder, layers):
    """Its own tensors and its head of 5 classes; with LoRA that is not merged, the small matrices alone."""
    tried = [Choice("linear", ONLY_HEAD), Choice("one", Tuning(("layer2.0",))), Choice("full", EVERYTHING)]
    tried.append(Choice("lora", Tuning.parse("layer2.0 with lora(rank=1)", NAMES)))
    weights = folder / "backbones/net/weights.safetensors"
    table = latencies(layers, weights, tried, 5, [1, 2], CPU, 0).set_index(["name", "batch_size"])
    assert len(table) == 2 * 5
    assert (table["n"] == 10).all(), "at least"
    added = {name: 1e6 * table.loc[(name, 1), "added_mb"] for name in ("linear", "one", "full", "lora", TIMM)}
    head = 4 * 5 * (layers["features"] + 1)
    assert added["linear"] == pytest.approx(head)
    assert head < added["lora"] < 0.5 * added["one"]
    statistics = 1 + 8  # running means and variances, and counts of eight bytes
    own = next(row["parameters"] for row in layers["layers"] if row["name"] == "layer2.0")
    assert head + 4 * own < added["one"] < head + 4 * own * statistics
    assert added["full"] == pytest.approx(added[TIMM])
    assert (table["low_ms"] <= table["added_ms"]).all()
    assert (table["added_ms"] <= table["high_ms"]).all()
    assert table.loc[("full", 2), "added_percent"] == pytest.approx(100)


def test_the_verb_and_the_figure(folder, layers, capsys):
    words = ["--task", "tiny", "--backbone", "net", "--results", str(folder)]
    assert main(["latency", *words, "--batch-sizes", "1", "2", "--seconds", "1", "--device", "cpu"]) == 0
    assert "greedy, lora" in capsys.readouterr().err
    table = read_csv(folder / "tiny/net/latency.csv")
    assert set(table["name"]) == {"linear", *NAMES, "full", "greedy", "full, lora", "greedy, lora", TIMM}
    assert (table.loc[table["name"] == "greedy", "mean"] == 0.85).all()
    figure = draw(table, layers, "tiny", "net")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["1 image at once", "2 images at once"]
    for axes in figure.axes:
        named = {text.get_text() for text in axes.texts}
        assert {"linear", "full", "greedy"} <= named
        assert TIMM not in named, "its accuracy is not known"


def test_nothing_on_the_front_is_beaten():
    rows = pd.DataFrame({"name": list("abcde"), "added_ms": [3.0, 1, 2, 2, 4], "mean": [0.7, 0.5, 0.6, 0.65, 0.7]})
    assert list(front(rows, "added_ms")["name"]) == ["b", "d", "a"]
    assert front(rows[:0], "added_ms").empty


def test_a_backbone_that_is_not_described_is_one_sentence(tmp_path, capsys):
    assert main(["latency", "--task", "tiny", "--backbone", "net", "--results", str(tmp_path)]) == 2
    assert "layers.json is missing; make it with: subtuning describe" in capsys.readouterr().err
