"""A task whose images have several labels, through all verbs of a study: trained, compared, explained, delivered."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from subtuning.cli import main
from subtuning.config import load_config
from subtuning.runs import Store
from subtuning.workspace.prepared import prepare_backbone, prepare_task

pytestmark = pytest.mark.slow

NAMES = ("red", "green", "blue")
PAIR = ("--task", "colours", "--backbone", "net")
STEPS = ("profile", "greedy/forward/1", "evaluation")
OUT = Path("results/colours/net")


def write_images(count: int = 60) -> None:
    """Noise to which each label adds its colour, and a table of them."""
    rng, lines = np.random.default_rng(0), ["file,labels"]
    Path("im").mkdir()
    for i in range(count):
        own = rng.random(3) < [0.5, 0.4, 0.3]
        pixels = rng.integers(0, 80, (32, 32, 3)) + 150 * own
        Image.fromarray(pixels.astype(np.uint8)).save(f"im/{i:02d}.png")
        lines.append(f"{i:02d}.png,{'|'.join(name for name, has in zip(NAMES, own, strict=True) if has)}")
    Path("labels.csv").write_text("\n".join(lines) + "\n")


def write_config(**search) -> None:
    task = {"source": "csv", "path": "labels.csv", "images": "im", "label_separator": "bar"}
    content = {
        "tasks": {"colours": task},
        "backbones": {"net": {"model": "test_resnet", "weights": "random", "input_size": 32, "granularity": "stage"}},
        "recipe": {"epochs": 2, "batch_size": 16, "lr": 3e-3, "precision": "fp32"},
        "search": search,
        "profile": {"folds": 2},
        "greedy": {"folds": 2, "max_rounds": 1, "stop": "epsilon"},
        "tune": {"lr": [1]},
        "evaluate": {"seeds": 2},
    }
    Path("config").mkdir(exist_ok=True)
    Path("config/config.yaml").write_text(yaml.safe_dump(content))


def run(*words: str) -> None:
    assert main([*words]) == 0, words


def study() -> None:
    """All steps of a study, trained and concluded."""
    for step, files in zip(STEPS, (["profile.csv"], ["round.json"], ["evaluation.csv"]), strict=True):
        run("train-step", step, *PAIR, "--device", "cpu")
        run("conclude", step, *PAIR, "--out", *(str(OUT / file) for file in files))
    run("conclude", "greedy", *PAIR, "--out", str(OUT / "greedy.csv"), str(OUT / "selected.json"))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A finished study by mean average precision."""
    folder = tmp_path_factory.mktemp("colours")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_images()
        write_config(metric="mean_average_precision")
        config = load_config("config/config.yaml")
        prepare_task(config, "colours", Path("results"))
        prepare_backbone(config, "net", Path("results"))
        run("check-plan", *PAIR)
        study()
    return folder


@pytest.fixture
def here(project, monkeypatch):
    """The same as the working folder, with its own config."""
    monkeypatch.chdir(project)
    write_config(metric="mean_average_precision")
    return project


def table(name: str) -> list[dict[str, str]]:
    with (OUT / name).open() as file:
        return list(csv.DictReader(file))


def records() -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in Path("results/runs").glob("??/*")}


def test_tables_are_by_the_metric_and_learning_shows(here):
    rows = {row["method"]: row for row in table("evaluation.csv")}
    assert {row["metric"] for row in [*rows.values(), *table("profile.csv")]} == {"mean_average_precision"}
    assert float(rows["greedy"]["mean"]) > max(0.9, float(rows["linear"]["mean"]))
    assert all(0 <= float(row[key]) <= 1 for row in rows.values() for key in ("auroc", "calibration_error"))


def test_a_record_keeps_labels_and_probabilities_from_which_everything_is_made(here):
    from sklearn.metrics import average_precision_score, log_loss

    from subtuning.runs.predictions import unpack
    from subtuning.tasks import load_task

    store, task = Store("results/runs"), load_task(Path("results/tasks/colours"))
    tested = [record for record in store if record["identity"]["split"] == "test"]
    everyone = list(store)
    labels = task.part("test")[1]
    for record in everyone:
        given, said = store.probabilities(record), unpack(record["predictions"])
        assert given.dtype == np.float32
        assert (said == (given > 0.5)).all()
    for record in tested:
        given, said = store.probabilities(record), unpack(record["predictions"])
        assert record["metrics"]["accuracy"] == (said == labels).all(1).mean()
        each = [log_loss(labels[:, c], given[:, c], labels=[0, 1]) for c in range(3)]
        assert record["metrics"]["loss"] == pytest.approx(np.mean(each), rel=1e-4)
    best = table("evaluation.csv")[-1]
    mine = [record for record in tested if record["identity"]["subset"] == "full"]
    found = np.mean([average_precision_score(labels, store.probabilities(record)) for record in mine])
    assert float(best["mean"]) == pytest.approx(found, abs=1e-5)


@pytest.mark.parametrize("metric", ["macro_f1", "auroc"])
def test_another_metric_trains_only_what_is_newly_chosen(here, metric):
    before, old = records(), {row["layers"] for row in table("evaluation.csv")}
    write_config(metric=metric)
    study()
    after, new = records(), {row["layers"] for row in table("evaluation.csv")}
    assert before.items() <= after.items()
    added = [json.loads(after[name]) for name in after.keys() - before.keys() if name.endswith(".json")]
    assert {(one["identity"]["split"], "+".join(one["identity"]["subset"])) for one in added} <= {
        ("test", layers) for layers in new - old
    }
    assert {row["metric"] for row in table("evaluation.csv")} == {metric}
    write_config(metric="mean_average_precision")
    study()
    assert records() == after


def test_status_sees_everything_done(here, capsys):
    run("status")
    assert " 0 missing" in capsys.readouterr().out


def test_the_answer_in_words(here, capsys):
    run("answer")
    text = capsys.readouterr().out
    assert "gets a mean average precision of" in text
    assert "48 images to learn from, each with any of 3 labels" in text
    run("compare", "greedy", "linear")
    assert "mean average precision than" in capsys.readouterr().out


def test_errors_are_told_label_by_label(here):
    run("errors", *PAIR, "--out", str(OUT / "figures"), "--tables", str(OUT))
    rows = table("classes.csv")
    assert [row["class"] for row in rows] == ["blue", "green", "red"]
    assert all(0 <= float(row["chosen_recall"]) <= 1 for row in rows)
    assert table("mistakes.csv") == []
    svg = (OUT / "figures" / "confusion.svg").read_text()
    assert "An image may have several labels here" in svg


def test_the_model_says_which_labels_an_image_has(here, capsys):
    run("deliver", *PAIR)
    folder = OUT / "model"
    assert json.loads((folder / "config.json").read_text())["multilabel"] is True
    assert "with all labels right" in (folder / "README.md").read_text()
    capsys.readouterr()
    run("predict", str(folder), "im", "--top", "3")
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert len(rows) == 60
    for row in rows:
        pairs = {row[f"class{end}"]: float(row[f"probability{end}"]) for end in ("", "_2", "_3")}
        assert row["labels"] == ";".join(label for label, share in pairs.items() if share > 0.5)
    compile((folder / "predict.py").read_text(), "predict.py", "exec")


def test_a_metric_that_does_not_fit_is_one_sentence(here, capsys):
    settings = '{"search.metric": "accuracy", "profile.folds": 2, "search.seeds": 1, "search.how": "weights"}'
    recipe = json.dumps(load_config("config/config.yaml").recipe_of("colours", "net").model_dump())
    before = records()
    assert main(["train-step", "profile", *PAIR, "--recipe", recipe, "--settings", settings]) == 2
    sentence = "task colours: its images may have several labels, which search.metric 'accuracy' does not score"
    assert sentence in capsys.readouterr().err
    assert records() == before


def test_a_subset_is_trained_by_hand(here, capsys):
    run("train", *PAIR, "--layers", "layer4", "--split", "cv", "--device", "cpu")
    assert "mean average precision % (cv)" in capsys.readouterr().out
