"""A disk that is full, or that must not be written: one sentence, nothing lost, and the same command goes on later."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.faults.compare import RUNS, assert_finished_like, assert_profile_like
from tests.workflow.snake import records

pytestmark = pytest.mark.root

GOES_ON = "run the same command again, which goes on with what is missing"


@pytest.fixture
def disk():
    """Mounts a small disk in memory on a folder: `disk(folder, "64k")`. None where this user may not mount."""
    mounted = []

    def mount(folder: Path, size: str):
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder]).returncode:
            return False
        mounted.append(folder)
        return True

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def only_a_sentence(result, *words):
    assert result.code == 2, result.output
    assert "Traceback" not in result.output
    last = [line for line in result.output.splitlines() if line.startswith("error: ")]
    assert len(last) == 1, result.output
    for word in words:
        assert word in last[0]


def test_the_disk_of_the_store_is_full(folder, undisturbed, trainer, finish, disk):
    store = folder / "results/runs"
    small = disk(store, "36k")
    limits = [] if small else [["files_no_larger_than", 500]]
    result = trainer(folder, *limits)
    only_a_sentence(result, "results/runs/", "the disk is full; make room" if small else "ulimit -f", GOES_ON)
    before = records(folder)
    assert len(before) < RUNS
    if small:
        assert before, "those that still fitted are kept"
        remount(store, "size=4m")
    result = finish(folder)
    assert f"{RUNS} runs, {len(before)} finished before" in result.output
    assert before.items() <= records(folder).items()
    assert_profile_like(folder, undisturbed)


def test_the_disk_of_the_checkpoints_is_full(folder, undisturbed, trainer, finish, disk):
    small = disk(folder / "results/checkpoints", "32k")
    limits = [] if small else [["files_no_larger_than", 20_000]]
    result = trainer(folder, ["checkpoint_every_step"], *limits)
    only_a_sentence(result, "results/checkpoints/", "the disk is full; make room" if small else "ulimit -f", GOES_ON)
    if small:
        remount(folder / "results/checkpoints", "size=64m")
    finish(folder, ["checkpoint_every_step"])
    assert_profile_like(folder, undisturbed)


def test_a_limit_on_the_size_of_files(folder, undisturbed, trainer, finish):
    result = trainer(folder, ["checkpoint_every_step"], ["files_no_larger_than", 20_000])
    only_a_sentence(result, "results/checkpoints/", "raise it and", GOES_ON)
    finish(folder)
    assert_profile_like(folder, undisturbed)


def test_the_disk_of_the_curves_is_full(folder, undisturbed, trainer, finish, disk):
    """TensorBoard's files are written last, when the record is safe."""
    small = disk(folder / "results/tensorboard", "24k")
    limits = [] if small else [["files_no_larger_than", 500]]
    result = trainer(folder, *limits)
    only_a_sentence(result, GOES_ON)
    before = records(folder)
    if small:
        assert 0 < len(before) < RUNS
        remount(folder / "results/tensorboard", "size=4m")
    finish(folder)
    assert before.items() <= records(folder).items()
    assert_profile_like(folder, undisturbed)


def test_results_that_must_not_be_written(folder, undisturbed, trainer, finish, disk):
    """Once before anything is trained; in the middle it is the same as a full disk."""
    store = folder / "results/runs"
    if disk(store, "4m"):
        remount(store, "ro")
        words = "the file system is read-only; make it writable"
    else:
        store.chmod(0o555)
        words = "permission denied; let this user read and write there"
    result = trainer(folder)
    only_a_sentence(result, "results/runs", words, GOES_ON)
    assert records(folder) == {}
    if words.startswith("the file system"):
        remount(store, "rw")
    else:
        store.chmod(0o755)
    finish(folder)
    assert_profile_like(folder, undisturbed)


@pytest.mark.slow
def test_a_full_disk_under_snakemake(folder, undisturbed, snakemake, disk):
    small = disk(folder / "results/runs", "36k")
    result = snakemake(folder, *([] if small else [["files_no_larger_than", 500]]))
    assert result.code == 1
    assert GOES_ON in result.output
    assert "Traceback" not in result.output
    before = records(folder)
    if small:
        remount(folder / "results/runs", "size=4m")
    result = snakemake(folder)
    assert result.code == 0, result.output
    assert before.items() <= records(folder).items()
    assert_finished_like(folder, undisturbed)
