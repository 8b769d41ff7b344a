"""Files that are not what they were: records of other versions, images that changed, weights that are gone."""

import json
import os
import random
import shutil

import pytest

from tests.faults.compare import RUNS, assert_profile_like, trainings
from tests.workflow.snake import records


def rewrite(folder, change):
    """Change a record of the store as another version would have written it, and return its id."""
    file = sorted((folder / "results/runs").glob("*/*.json"))[5]
    record = json.loads(file.read_text())
    change(record)
    file.write_text(json.dumps(record))
    return file.stem


def test_a_record_with_unknown_fields_is_read(profiled, undisturbed, finish):
    changed = rewrite(profiled, lambda record: record.update(carbon={"grams": 1}))
    before = records(profiled)
    finish(profiled, ["log_trainings", str(profiled / "log")])
    assert trainings(profiled / "log") == {}
    assert records(profiled) == before
    assert before[changed]["carbon"] == {"grams": 1}


@pytest.mark.parametrize("field", ["names", "identity", "status", "metrics", "seconds"])
def test_a_record_that_lacks_a_field_is_made_again(profiled, undisturbed, finish, field):
    changed = rewrite(profiled, lambda record: record.pop(field))
    finish(profiled, ["log_trainings", str(profiled / "log")])
    assert trainings(profiled / "log") == {changed: 1}
    assert_profile_like(profiled, undisturbed)


def test_a_record_of_a_later_format_is_one_sentence(profiled, trainer, subtuning):
    changed = rewrite(profiled, lambda record: record.update(format=2))
    before = records(profiled)
    result = trainer(profiled)
    assert result.code == 2
    assert result.output.strip().endswith(
        f"{changed}.json has format 2, and this version of subtuning reads format 1; use the version that wrote it, "
        "or another folder for results"
    )
    assert "Traceback" not in result.output
    assert records(profiled) == before
    listed = subtuning(profiled, "runs")
    assert listed.code == 0, listed.output
    assert changed[:8] not in listed.output
    assert len(listed.output.splitlines()) == RUNS - 1 + 2, "a line each, and two of heading"


def test_a_record_with_other_numbers_is_kept_and_not_used(profiled, undisturbed, finish):
    """Under its own id it is out of the way; the run is trained by the code of today."""
    file = sorted((profiled / "results/runs").glob("*/*.json"))[5]
    record = json.loads(file.read_text())
    file.unlink()
    record["identity"]["numbers"], record["id"] = 0, "f" * 32
    (profiled / "results/runs/ff").mkdir(exist_ok=True)
    other = profiled / f"results/runs/ff/{'f' * 32}.json"
    other.write_text(json.dumps(record))
    finish(profiled, ["log_trainings", str(profiled / "log")])
    assert trainings(profiled / "log") == {file.stem: 1}
    assert json.loads(other.read_text()) == record
    other.unlink()
    assert_profile_like(profiled, undisturbed)


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_images_that_changed_on_disk_are_not_trained_on(folder, undisturbed, trainer, finish, subtuning, part):
    """One bit of one pixel, and the file looks untouched."""
    file = folder / f"results/tasks/cells/{part}/images.npy"
    times = file.stat()
    content = bytearray(file.read_bytes())
    content[random.Random(part).randrange(200, len(content))] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    result = trainer(folder)
    assert result.code == 2
    assert "error: results/tasks/cells does not hold what its task.json says (sha256 differs); convert" in result.output
    assert "Traceback" not in result.output
    assert records(folder) == {}
    shutil.rmtree(folder / "results/tasks/cells")
    assert subtuning(folder, "convert", "--task", "cells").code == 0
    finish(folder)
    assert_profile_like(folder, undisturbed)


def test_weights_that_are_gone_are_one_sentence(folder, undisturbed, trainer, finish, subtuning):
    (folder / "results/backbones/tiny/weights.safetensors").unlink()
    result = trainer(folder)
    assert result.code == 2
    assert (
        "error: weights file results/backbones/tiny/weights.safetensors is missing; make it with: subtuning fetch"
    ) in result.output
    assert "Traceback" not in result.output
    assert subtuning(folder, "fetch", "--backbone", "tiny").code == 0
    finish(folder)
    assert_profile_like(folder, undisturbed)
