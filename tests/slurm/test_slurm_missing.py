"""Machines without SLURM: its tests are left out with a word about it, unless they are required."""

import os
import subprocess
import sys

import pytest

from tests.slurm import cluster
from tests.slurm.conftest import REQUIRED
from tests.workflow.snake import ROOT

WITHOUT_PROGRAMS = """\
import sys, pytest
from tests.slurm import cluster
cluster.SYSTEM = ""
sys.exit(pytest.main(sys.argv[1:]))
"""


def run_pytest(tmp_path, *words, **environment):
    """The tests of SLURM where no program is in any folder, whether or not this machine has SLURM."""
    environment = {k: v for k, v in os.environ.items() if k != REQUIRED} | {"PATH": str(tmp_path)} | environment
    words = [sys.executable, "-c", WITHOUT_PROGRAMS, "-n0", "-p", "no:cacheprovider", *words]
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_without_slurm_its_tests_are_left_out_and_pytest_names_them(tmp_path):
    done = run_pytest(tmp_path, "tests/slurm", "--collect-only")
    assert done.returncode == 0, done.stdout + done.stderr
    collected, _, named = done.stdout.partition("tests did not run")
    assert "test_slurm_workflow.py" not in collected
    assert "test_slurm_missing.py" in collected
    assert f"SLURM is not installed ({', '.join(cluster.PROGRAMS)} not found)" in named
    assert cluster.INSTALL in named
    assert "    tests/slurm/test_slurm_workflow.py::test_the_same_command_again_does_nothing\n" in named
    assert named.count("    tests/slurm/") > 10


@pytest.mark.slow
def test_where_slurm_is_required_its_absence_is_a_failure_of_one_sentence(tmp_path):
    test = "tests/slurm/test_slurm_workflow.py::test_the_same_command_again_does_nothing"
    done = run_pytest(tmp_path, test, **{REQUIRED: "1"})
    assert done.returncode == 1
    assert f"SLURM is not installed ({', '.join(cluster.PROGRAMS)} not found)" in done.stdout
    assert cluster.INSTALL in done.stdout
    assert "Traceback" not in done.stdout


def test_nothing_is_missing_where_all_programs_are(tmp_path, monkeypatch):
    for name in cluster.PROGRAMS:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(cluster, "SYSTEM", "")
    assert cluster.what_is_missing() == ""
    (tmp_path / "sbatch").unlink()
    assert cluster.what_is_missing().startswith("SLURM is not installed (sbatch not found)")


@pytest.mark.slurm
def test_the_programs_run(cluster):
    assert cluster.ask("sinfo", "-h", "-N", "-p", "both", "-o", "%N %T %G").splitlines() == [
        "n1 idle gpu:2",
        "n2 idle gpu:1",
    ]
