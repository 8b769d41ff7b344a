"""Hostile input by way of Snakemake, and extreme but honest data sets, which train."""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest

from tests.hostile.test_hostile_config import laughs
from tests.workflow.snake import changed, new_folder, records, write_arrays, write_config

DEFAULT_CONFIGS = {
    "a pipe": (lambda path: os.mkfifo(path), "is not a regular file; name a YAML file"),
    "a folder": (lambda path: path.mkdir(), "is a folder; name a YAML file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "is not a regular file; name a YAML file"),
    "binary": (lambda path: path.write_bytes(b"\x89PNG\xff\0"), "is not UTF-8 text (byte 0); save it as UTF-8"),
    "a billion laughs": (laughs, "is not valid YAML: line 2: an alias (*a0) is used; write the value out"),
    "4,000 brackets": (lambda path: path.write_text("[" * 4000), "is not valid YAML: it is nested too deeply"),
    "a terabyte": (
        lambda path: subprocess.run(["truncate", "-s", "1T", path], check=True),
        "is larger than 100,000 bytes; a config is a few lines of YAML",
    ),
}


@pytest.mark.parametrize("case", DEFAULT_CONFIGS)
def test_the_default_config_is_read_with_care(case, tmp_path, snakemake):
    """Snakemake's own reader would wait for the pipe for ever, or show a traceback."""
    make, sentence = DEFAULT_CONFIGS[case]
    folder = new_folder(tmp_path / "project")
    (folder / "config/config.yaml").unlink()
    make(folder / "config/config.yaml")
    result = snakemake(folder)
    assert result.code != 0
    assert f"error: config file config/config.yaml {sentence}" in result.output
    assert "Traceback" not in result.output
    assert not (folder / "results").exists()


def test_a_billion_laughs_with_configfile(tmp_path, snakemake):
    laughs(tmp_path / "bomb.yaml")
    result = snakemake(tmp_path, "--configfile", "bomb.yaml")
    assert result.code != 0
    assert "bomb.yaml is not valid YAML: line 2: an alias (*a0) is used; write the value out" in result.output
    assert "Traceback" not in result.output


EVIL = "$(touch hacked); `touch hacked` '\"&|>hacked {input} {{x}} %s \\n *"


def test_paths_that_a_shell_would_obey_are_only_paths(finished, tmp_path, snakemake):
    """The rules' shell blocks get the path of a task and of a weights file; nothing of it may run."""
    folder = new_folder(tmp_path / "project")
    write_arrays(folder / f"{EVIL}.npz")
    config = changed("tasks/cells/path", f"{EVIL}.npz", "backbones/tiny/weights", f"{EVIL}.safetensors")
    write_config(folder, config)
    shutil.copy(finished[0] / "results/backbones/tiny/weights.safetensors", folder / f"{EVIL}.safetensors")
    before = {path.name for path in folder.iterdir()}
    result = snakemake(folder, "results/tasks/cells/task.json", "results/backbones/tiny/layers.json")
    assert result.code == 0, result.output
    assert {path.name for path in folder.iterdir()} - before == {"results", ".snakemake"}
    assert json.loads((folder / "results/tasks/cells/task.json").read_text())["source"]["path"] == f"{EVIL}.npz"
    assert not list(tmp_path.rglob("hacked*"))


def train(folder, subtuning, arrays, *words):
    """Train linear probing and one layer on a task, and return the call's result."""
    np.savez(folder / "cells.npz", **arrays)
    return subtuning(folder, "train", "--task", "cells", "--backbone", "tiny", "--layers", "linear", *words)


def task(images, labels, size=1):
    x = np.random.default_rng(0).integers(0, 256, (images, size, size), np.uint8)
    return {"x_train": x, "y_train": np.array(labels), "x_test": x, "y_test": np.array(labels)}


def test_images_of_one_pixel_train(tmp_path, subtuning):
    folder = new_folder(tmp_path / "project", changed("backbones/tiny/interpolation", "bicubic"))
    result = train(folder, subtuning, task(12, [0, 1] * 6), "--layers", "blocks.5,stem")
    assert result.code == 0, result.output
    assert {record["status"] for record in records(folder).values()} == {"done"}
    assert json.loads((folder / "results/tasks/cells/task.json").read_text())["image_size"] == [1, 1, 1]


def test_more_classes_than_images_train(tmp_path, subtuning):
    """Classes that no image shows are honest: a list of names may be longer than what was photographed."""
    folder = new_folder(tmp_path / "project")
    names = np.array([f"class {number}" for number in range(500)])
    result = train(folder, subtuning, task(12, [0, 499] * 6) | {"class_names": names})
    assert result.code == 0, result.output
    (record,) = records(folder).values()
    assert record["trainable_parameters"] == 65 * 500


def test_folds_larger_than_the_smallest_class_train(tmp_path, subtuning):
    """A class of two images is in two of five folds only."""
    folder = new_folder(tmp_path / "project", changed("tasks/cells/val", 2))
    result = train(folder, subtuning, task(15, [0] * 7 + [1] * 6 + [2] * 2), "--split", "cv", "--folds", "5")
    assert result.code == 0, result.output
    assert len(records(folder)) == 5


WRONG_TASKS = {
    "no class": (task(0, []), "it must be uint8, N x H x W or N x H x W x 1 or 3"),
    "one class": (task(12, [0] * 12), "holds only the class '0'; a classification task needs at least two"),
    "more folds than images": (task(6, [0, 1] * 3), "6 images cannot be split into 7 folds; use at most 6"),
}


@pytest.mark.parametrize("case", WRONG_TASKS)
def test_data_sets_that_nothing_can_be_learnt_from(case, tmp_path, subtuning):
    arrays, sentence = WRONG_TASKS[case]
    folder = new_folder(tmp_path / "project", changed("tasks/cells/val", 2))
    result = train(folder, subtuning, arrays, "--split", "cv", "--folds", "7")
    assert result.code == 2
    assert sentence in result.output
    assert "Traceback" not in result.output
    assert records(folder) == {}
