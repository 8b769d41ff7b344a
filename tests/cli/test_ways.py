"""Ways of training a layer on the command line: checked before anything is trained, and trained by hand."""

import numpy as np
import pytest
import yaml

from subtuning.cli import main
from subtuning.config import load_config
from subtuning.workspace.prepared import prepare_backbone, prepare_task
from tests.tiny import pictures


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes and prepares a config with a small ViT whose section `evaluate` or `search` is given."""
    monkeypatch.chdir(tmp_path)
    images, labels = pictures(40)
    parts = {"x_train": images[:32], "y_train": labels[:32], "x_test": images[32:], "y_test": labels[32:]}
    np.savez("cells.npz", **parts)

    def write(**sections):
        content = {
            "tasks": {"cells": {"source": "arrays", "path": "cells.npz"}},
            "backbones": {"vit": {"model": "test_vit", "weights": "random", "input_size": 32}},
            "recipe": {"epochs": 1, "batch_size": 16},
            "profile": {"folds": 2},
            "greedy": {"folds": 2},
        }
        (tmp_path / "config").mkdir(exist_ok=True)
        (tmp_path / "config/config.yaml").write_text(yaml.safe_dump(content | sections))
        config = load_config("config/config.yaml")
        prepare_task(config, "cells", tmp_path / "results")
        prepare_backbone(config, "vit", tmp_path / "results")

    return write


PAIR = ("--task", "cells", "--backbone", "vit")


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"evaluate": {"subsets": {"mine": "stem with attention"}}}, "layer 'stem' has nothing that attention trains"),
        ({"evaluate": {"subsets": {"mine": "last 2 with lora(on=fc9)"}}}, "has nothing that lora(on=fc9) trains"),
        ({"evaluate": {"subsets": {"mine": "last 2 with lora(rank=0)"}}}, "rank is 0; it must be a whole number"),
        ({"search": {"how": "lora(on=fc9)"}}, "search.how is lora(on=fc9), but no layer of this backbone"),
    ],
)
def test_what_cannot_be_trained_is_said_first(project, capsys, sections, sentence):
    project(**sections)
    assert main(["check-plan", *PAIR]) != 0
    assert sentence in capsys.readouterr().err


def test_ways_that_can_be_trained_are_fine(project, capsys):
    ways = {"low": "last 2 with lora(on=attention, rank=2)", "parts": "full with mlp"}
    project(evaluate={"subsets": ways}, search={"how": "scale_shift"})
    assert main(["check-plan", *PAIR]) == 0, capsys.readouterr().err


def test_a_way_is_trained_by_hand(project, capsys):
    project()
    words = ["train", *PAIR, "--layers", "last 1 with lora(rank=2, on=attention)", "--layers", "full with biases"]
    assert main([*words, "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    head = 64 * 4 + 4
    assert f"{head + 2 * (64 + 192) + 2 * (64 + 64):,}" in next(row for row in out.splitlines() if "lora" in row)
    assert "full with biases" in out
