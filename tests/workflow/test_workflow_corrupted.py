"""A corrupted task in the workflow: the other task is converted first, and again before it when its images change."""

import os
import sys

import numpy as np
import pytest

from subtuning.errors import UserError
from subtuning.workflow.params import Params
from tests.workflow.snake import CONFIG, changed, jobs, new_folder, write_arrays

NOISY = {"source": "corrupted", "of": "cells", "kind": "contrast", "severity": 2}
LIBRARY = """\
import numpy
corruption_dict = {"contrast": lambda image, severity=1: numpy.asarray(image) // (1 + severity)}
def corrupt(image, severity, corruption_name):
    return corruption_dict[corruption_name](image, severity)
"""
TARGET = "results/tasks/noisy/task.json"


def arrays(folder, seed=0):
    """The workflow tests' task with images of 32 pixels, which corruptions need."""
    write_arrays(folder / "small.npz", seed=seed)
    small = dict(np.load(folder / "small.npz"))
    larger = {name: small[name].repeat(4, 1).repeat(4, 2) for name in ("x_train", "x_test")}
    np.savez(folder / "cells.npz", **small | larger)


@pytest.mark.slow
def test_the_other_task_is_converted_first_and_again_when_it_changes(tmp_path, snakemake, warm_environment):
    library = tmp_path / "packages/imagecorruptions"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text(LIBRARY)
    installed = {"PYTHONPATH": os.pathsep.join([warm_environment["PYTHONPATH"], str(library.parent)])}
    folder = new_folder(tmp_path / "project", changed("tasks/noisy", NOISY))
    arrays(folder)
    result = snakemake(folder, TARGET, **installed)
    assert result.code == 0, result.output
    clean, noisy = (np.load(folder / f"results/tasks/{name}/test/images.npy") for name in ("cells", "noisy"))
    assert np.array_equal(noisy, np.broadcast_to(clean // 3, noisy.shape))
    assert "Nothing to be done" in snakemake(folder, TARGET, **installed).output
    arrays(folder, seed=1)
    again = jobs(snakemake(folder, TARGET, "--dry-run", **installed).output)
    assert [(job.rule, job.wildcards) for job in again if job.rule != "all"] == [
        ("convert_task", "task=cells"),
        ("convert_task", "task=noisy"),
    ]


def test_without_the_library_nothing_starts(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    monkeypatch.chdir(new_folder(tmp_path))
    assert Params(CONFIG).tasks == ["cells"]
    with pytest.raises(UserError, match="run: pip install imagecorruptions-imaug"):
        Params(changed("tasks/noisy", NOISY))
