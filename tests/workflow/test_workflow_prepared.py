"""What is prepared is what the config and the user's files say now, for every verb as for the rules."""

import json
import os
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from subtuning.tasks.fingerprint import fingerprint
from tests.workflow.snake import changed, copy, new_runs, records, rules, write_arrays, write_config

TRAIN = ["train", "--task", "cells", "--backbone", "tiny", "--layers", "linear"]
OWN_WEIGHTS = changed("backbones/tiny/weights", "mine.safetensors")


@pytest.fixture
def folder(finished, tmp_path):
    return copy(finished[0], tmp_path / "project")


def own_weights(folder: Path, factor: float = 1.0) -> None:
    """A file of weights of the user's own, and the config that names it."""
    state = load_file(folder / "results/backbones/tiny/weights.safetensors")
    save_file({name: value * factor for name, value in state.items()}, folder / "mine.safetensors")
    write_config(folder, OWN_WEIGHTS)


def edit_images(folder: Path) -> None:
    write_arrays(folder / "cells.npz", seed=7)


def edit_weights(folder: Path) -> None:
    own_weights(folder, 1.5)


EDITS = {"images": (edit_images, "task"), "weights file": (edit_weights, "backbone")}


@pytest.mark.parametrize("what", EDITS)
def test_train_uses_edited_files(what, subtuning, folder):
    edit, key = EDITS[what]
    own_weights(folder)
    assert subtuning(folder, *TRAIN).code == 0
    before = records(folder)
    assert "1 runs, 1 finished before" in subtuning(folder, *TRAIN).output, "nothing was edited yet"
    edit(folder)
    result = subtuning(folder, *TRAIN)
    assert result.code == 0, result.output
    assert new_runs(folder, before) == {("linear", "val", None, 0)}
    (new,) = (record for name, record in records(folder).items() if name not in before)
    assert new["identity"][key] not in [record["identity"][key] for record in before.values()]


@pytest.mark.parametrize("what", EDITS)
def test_status_and_clean_know_that_files_were_edited(what, subtuning, folder):
    own_weights(folder)
    assert subtuning(folder, *TRAIN).code == 0
    assert "not prepared yet" not in subtuning(folder, "status").output
    EDITS[what][0](folder)
    assert "not prepared yet" in subtuning(folder, "status").output
    cleaned = subtuning(folder, "clean", "--what", "unwanted").output
    assert "cannot be told before cells/tiny is prepared" in cleaned, "the runs of the edited files may be wanted"


@pytest.mark.parametrize("what", EDITS)
def test_a_step_by_hand_refuses_what_is_out_of_date(what, subtuning, folder):
    own_weights(folder)
    assert subtuning(folder, *TRAIN).code == 0
    words = ["train-step", "profile", "--task", "cells", "--backbone", "tiny", "--out", "out.json"]
    before = records(folder)
    EDITS[what][0](folder)
    result = subtuning(folder, *words)
    assert result.code == 2
    name = {"task": "tasks.cells", "backbone": "backbones.tiny"}[EDITS[what][1]]
    assert result.output.startswith(f"error: config: {name} changed, or the files that it names, since results was")
    assert result.output.count("\n") == 1
    assert records(folder) == before


def test_files_that_are_gone_say_nothing(subtuning, folder):
    """On a machine that has only the results, `status` counts and `train` trains what is converted."""
    (folder / "cells.npz").unlink()
    assert "not prepared yet" not in subtuning(folder, "status").output
    result = subtuning(folder, *TRAIN)
    assert result.code == 0, result.output


def test_train_fetches_weights_that_are_gone(subtuning, folder):
    (folder / "results/backbones/tiny/weights.safetensors").unlink()
    result = subtuning(folder, *TRAIN)
    assert result.code == 0, result.output


def test_the_rules_and_train_agree_on_what_is_prepared(snakemake, subtuning, folder):
    assert "Nothing to be done" in snakemake(folder, "--dry-run").output
    described = (folder / "results/backbones/tiny/layers.json").read_bytes()
    converted = (folder / "results/tasks/cells/task.json").stat().st_mtime_ns
    assert subtuning(folder, *TRAIN).code == 0
    assert (folder / "results/tasks/cells/task.json").stat().st_mtime_ns == converted, "nothing is converted again"
    assert (folder / "results/backbones/tiny/layers.json").read_bytes() == described
    assert json.loads((folder / "results/tasks/cells/task.json").read_text())["files"] == fingerprint(
        folder / "cells.npz"
    )
    edit_images(folder)
    assert {"convert_task", "train_profile"} <= set(rules(snakemake(folder, "--dry-run").output))


@pytest.mark.parametrize("linked", ["class folder", "whole folder", "image"])
def test_the_fingerprint_sees_edits_behind_links_that_the_conversion_follows(linked, tmp_path):
    real, task = tmp_path / "real", tmp_path / "task"
    (real / "a").mkdir(parents=True)
    image = real / "a" / "0.png"
    image.write_bytes(b"before")
    if linked == "whole folder":
        task.symlink_to(real)
    elif linked == "class folder":
        task.mkdir()
        (task / "a").symlink_to(real / "a")
    else:
        (task / "a").mkdir(parents=True)
        (task / "a" / "0.png").symlink_to(image)
    before = fingerprint(task)
    assert fingerprint(task) == before
    image.write_bytes(b"edited")
    os.utime(image, ns=(1, 1))
    assert fingerprint(task) != before


def test_the_fingerprint_of_links_that_lead_in_circles_ends(tmp_path):
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / one).mkdir()
        (tmp_path / one / "other").symlink_to(tmp_path / other)
        (tmp_path / one / "up").symlink_to(tmp_path)
        (tmp_path / one / "self").symlink_to(tmp_path / one / "self")
    assert fingerprint(tmp_path) == fingerprint(tmp_path)
