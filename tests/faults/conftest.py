"""Forked commands with faults in them, and one undisturbed run to compare with."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.compare import TARGET
from tests.workflow.snake import ROOT, Result, call, copy, new_folder, not_trained_yet

PROFILE = ["profile", "--task", "cells", "--backbone", "tiny"]
TRAINER = ["subtuning", "train-step", *PROFILE, "--threads", "1", "--out", "results/cells/tiny/profile/shard0.json"]
TABLE = ["conclude", *PROFILE, "--out", TARGET]

SNAKEMAKE = ["warm-snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2", "--set-threads"]
SNAKEMAKE += [f"{rule}=1" for rule in ("train_profile", "train_greedy", "train_evaluation")]
"""One thread: a lane that is trained alone would use two where lanes in company use one each, and round differently."""


@pytest.fixture(scope="session")
def snakemake(warm_environment):
    """Calls the workflow with faults in its jobs: `snakemake(folder, ["log_trainings", "log"], target="...")`."""

    def run(folder: Path, *faults: list, target: str = "all") -> Result:
        return call([*SNAKEMAKE, "--", target], folder, environment_with(warm_environment, faults))

    return run


@pytest.fixture(scope="session")
def undisturbed(made_once, snakemake):
    """A folder in which everything was made and nothing happened; not to be changed."""

    def make(folder: Path) -> None:
        result = snakemake(new_folder(folder / "project"))
        assert result.code == 0, result.output

    return made_once("undisturbed", make) / "project"


@pytest.fixture
def folder(undisturbed, tmp_path):
    """A copy of it in which nothing is trained."""
    folder = not_trained_yet(undisturbed, tmp_path / "project")
    shutil.rmtree(folder / "results/tables")
    return folder


def environment_with(environment, faults):
    return environment | {"INJECTED_FAULTS": json.dumps(faults)}


@pytest.fixture(scope="session")
def trainer(warm_environment):
    """Calls the profile's trainer with faults: `trainer(folder, ["kill_at_event", 3])`."""
    return lambda folder, *faults: call(TRAINER, folder, environment_with(warm_environment, faults))


@pytest.fixture(scope="session")
def finish(trainer, subtuning):
    """Gives the same command again, without faults but for those named, and writes the profile's table."""

    def run(folder: Path, *faults: list) -> Result:
        result = trainer(folder, *faults)
        assert result.code == 0, result.output
        table = subtuning(folder, *TABLE)
        assert table.code == 0, table.output
        return result

    return run


@pytest.fixture(scope="session")
def after_profile(made_once, undisturbed, finish):
    """A folder in which the profile and nothing else was made; not to be changed."""

    def make(folder: Path) -> None:
        shutil.rmtree(not_trained_yet(undisturbed, folder / "project") / "results/tables")
        finish(folder / "project")

    return made_once("after_profile", make) / "project"


@pytest.fixture
def profiled(after_profile, tmp_path):
    """A copy of it."""
    return copy(after_profile, tmp_path / "project")


@pytest.fixture
def start(warm_environment, tmp_path):
    """Starts a command with faults and does not wait for it; what still lives at the end of the test is killed."""
    started, numbers = [], tmp_path / "pids"
    numbers.mkdir()

    def begin(words, folder, *faults):
        environment = environment_with(warm_environment, [*faults, ["note_pid", str(numbers)]])
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        started.append(subprocess.Popen(words, cwd=folder, env=environment, **pipes))
        return started[-1]

    yield begin
    for file in numbers.glob("*.pid"):  # the forked processes that do the commands' work
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(file.stem.rpartition(".")[2]), signal.SIGKILL)
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_until(condition, seconds: float = 240) -> None:
    """Wait until `condition()` holds; fail after a long time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def pid_of(folder: Path, command: str = "subtuning") -> int:
    """The first process of a command that wrote its number there (see `injected.note_pid`)."""
    wait_until(lambda: list(folder.glob(f"{command}.*.pid")))
    return int(next(folder.glob(f"{command}.*.pid")).stem.rpartition(".")[2])
