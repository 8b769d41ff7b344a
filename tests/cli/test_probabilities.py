"""A change to a metric that needs probabilities: what was trained without keeping them is trained anew, and told."""

import re

import numpy as np
import pytest
import yaml

from subtuning.cli import main
from subtuning.config import load_config
from subtuning.runs import Store
from subtuning.workspace.prepared import prepare_backbone, prepare_task
from tests.tiny import pictures

TRAIN = ("train-step", "profile", "--task", "cells", "--backbone", "net", "--device", "cpu")


@pytest.fixture
def chosen_by(tmp_path, monkeypatch):
    """Writes a config with a metric; its task and backbone are prepared."""
    monkeypatch.chdir(tmp_path)
    images, labels = pictures(48)
    parts = {"x_train": images[:40], "y_train": labels[:40], "x_test": images[40:], "y_test": labels[40:]}
    np.savez("cells.npz", **parts)
    (tmp_path / "config").mkdir()

    def write(metric):
        content = {
            "tasks": {"cells": {"source": "arrays", "path": "cells.npz"}},
            "backbones": {
                "net": {"model": "test_resnet", "weights": "random", "input_size": 32, "granularity": "stage"}
            },
            "recipe": {"epochs": 1, "batch_size": 16, "precision": "fp32"},
            "profile": {"folds": 2},
            "search": {"metric": metric},
        }
        (tmp_path / "config/config.yaml").write_text(yaml.safe_dump(content))
        config = load_config("config/config.yaml")
        prepare_task(config, "cells", tmp_path / "results")
        prepare_backbone(config, "net", tmp_path / "results")

    return write


def test_what_kept_no_probabilities_is_trained_anew_once(chosen_by, capsys):
    chosen_by("accuracy")
    assert main(TRAIN) == 0
    store = Store("results/runs")
    before = {record["id"]: record["metrics"] for record in store}
    assert not list(store.folder.glob("??/*.npy")), "nobody asked for them"
    chosen_by("macro_f1")
    assert main(TRAIN) == 0
    assert "14 runs, 14 finished before" in capsys.readouterr().err

    chosen_by("auroc")
    assert main(["status"]) == 0
    assert re.search(r"profile +0 +0 +14 ", capsys.readouterr().out)
    assert main(TRAIN) == 0
    words = "14 of them were finished without keeping probabilities, which search.metric needs; training anew"
    assert words in capsys.readouterr().err
    assert {record["id"]: record["metrics"] for record in store} == before, "the same numbers"
    assert len(list(store.folder.glob("??/*.npy"))) == 14
    assert main(["conclude", "profile", *TRAIN[2:6], "--out", "profile.csv"]) == 0
    for metric in ("mean_average_precision", "accuracy", "auroc"):
        chosen_by(metric)
        assert main(TRAIN) == 0
        assert "14 runs, 14 finished before" in capsys.readouterr().err
    assert main(["status"]) == 0
    assert re.search(r"profile +14 +0 +0 ", capsys.readouterr().out)
