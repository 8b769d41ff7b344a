"""A run that is killed or interrupted: nothing finished is lost, nothing half is read, the same command goes on."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from subtuning.analysis.files import read_csv
from tests.workflow.snake import (
    CONFIG,
    LAYERS,
    SNAKEMAKE,
    call,
    copy,
    new_folder,
    not_trained_yet,
    real_environment,
    records,
    what,
)

TARGET = "results/cells/tiny/profile.csv"
RUNS = {(name, "cv", fold, 0) for name in [*LAYERS, "linear", "full"] for fold in (0, 1)}


def start(folder):
    """A real call, in a process group of its own, as a shell starts it; with one thread, one fold is trained after the
    other, so that there is a moment between them."""
    output = (folder / "output.txt").open("w")
    words = [*SNAKEMAKE, "--cores", "2", "--set-threads", "train_profile=1", "--", TARGET]
    return subprocess.Popen(
        words, cwd=folder, env=real_environment(), stdout=output, stderr=output, start_new_session=True
    )


def wait_for_a_record(folder, process):
    while not list((folder / "results").glob("runs/*/*.json")):
        assert process.poll() is None, (folder / "output.txt").read_text()
        time.sleep(0.005)


def left_behind(folder):
    """Hidden or partial files that must not be taken for results."""
    return [file for file in (folder / "results").rglob("*") if file.is_file() and "part" in file.name]


def same_numbers(folder, undisturbed):
    mine, other = (read_csv(place / TARGET).drop(columns="seconds") for place in (folder, undisturbed))
    return mine.equals(other)


@pytest.fixture(scope="module")
def killed(finished, tmp_path_factory):
    """A folder in which everything was killed by signal 9 in the middle of the profile, and its records then."""
    folder = not_trained_yet(finished[0], tmp_path_factory.mktemp("killed") / "project")
    process = start(folder)
    wait_for_a_record(folder, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return folder, {file: file.stat().st_mtime_ns for file in (folder / "results/runs").glob("*/*.json")}


def test_after_kill_9_the_same_command_finishes(killed, finished, tmp_path, snakemake):
    folder = copy(killed[0], tmp_path / "project")
    before = {folder / file.relative_to(killed[0]): time for file, time in killed[1].items()}
    assert 0 < len(before) < len(RUNS), "it was killed in the middle"
    result = snakemake(folder, TARGET)
    assert result.code == 0, result.output
    assert "The last run was killed; its lock is removed, and what it finished is kept." in result.output
    assert f"cells/tiny: {len(RUNS)} runs, {len(before)} finished before" in result.output
    assert same_numbers(folder, finished[0])
    assert {what(record) for record in records(folder).values()} == RUNS
    assert before == {file: file.stat().st_mtime_ns for file in before}, "a finished run was trained again"


def test_after_kill_9_a_dry_run_shows_what_is_left(killed, tmp_path, snakemake):
    folder = copy(killed[0], tmp_path / "project")
    result = snakemake(folder, TARGET, "--dry-run")
    assert result.code == 0, result.output
    assert "train_profile" in result.output
    assert "convert_task" not in result.output
    assert "its lock is removed" not in result.output, "who only looks removes nothing"


@pytest.mark.parametrize("why", ["another machine", "alive"])
def test_the_lock_of_a_run_that_may_be_alive_stays(why, killed, tmp_path, snakemake):
    folder = copy(killed[0], tmp_path / "project")
    host = folder / ".snakemake/subtuning_host"
    assert host.read_text() == socket.gethostname()
    alive = subprocess.Popen(["sleep", "60"])
    if why == "another machine":
        host.write_text("another-machine")
    else:
        alive.kill()
        alive = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "snakemake"], cwd=folder)
    try:
        result = snakemake(folder, TARGET)
    finally:
        alive.kill()
        alive.wait()
    assert result.code == 1
    assert "Directory cannot be locked" in result.output
    assert not (folder / TARGET).exists()


def test_ctrl_c_saves_the_state_and_the_same_command_goes_on(finished, tmp_path, snakemake):
    folder = not_trained_yet(finished[0], tmp_path / "project")
    process = start(folder)
    wait_for_a_record(folder, process)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=120) != 0
    output = (folder / "output.txt").read_text()
    assert "Traceback" not in output
    assert "stopped by SIGINT; finished runs are kept, and the same command goes on from here" in output
    assert left_behind(folder) == []
    assert not (folder / TARGET).exists()
    before = {file: file.stat().st_mtime_ns for file in (folder / "results/runs").glob("*/*.json")}
    checkpoints = list((folder / "results/checkpoints").glob("*"))
    assert 0 < len(before) < len(RUNS)
    assert len(checkpoints) + len(before) == len(RUNS), "the state of all unfinished lanes is saved"
    result = snakemake(folder, TARGET)
    assert result.code == 0, result.output
    assert same_numbers(folder, finished[0])
    assert {what(record) for record in records(folder).values()} == RUNS
    assert before == {file: file.stat().st_mtime_ns for file in before}
    assert not list((folder / "results/checkpoints").glob("*")), "a checkpoint is deleted when its run is finished"


def test_a_failed_job_loses_no_record(finished, tmp_path, snakemake, warm_environment):
    """Snakemake deletes the outputs of failed jobs; the store is none of them."""
    folder = not_trained_yet(finished[0], tmp_path / "project")
    fails = command(tmp_path, 'PATH=${PATH#*:}\nsubtuning "$@" && [ "$1" != train-step ]')
    assert snakemake(folder, TARGET, PATH=f"{fails}:{warm_environment['PATH']}").code == 1
    assert not (folder / "results/cells/tiny/profile/shard0.json").exists()
    before = records(folder)
    assert {what(record) for record in before.values()} == RUNS
    result = snakemake(folder, TARGET)
    assert result.code == 0, result.output
    assert records(folder) == before
    assert same_numbers(folder, finished[0])


def test_two_calls_at_once_do_not_mix(tmp_path, warm_environment):
    """The second one is stopped by Snakemake's lock, not let through by ours."""
    folder = new_folder(tmp_path / "project", CONFIG)
    waits = "touch started\nwhile [ ! -e go ]; do sleep 0.05; done"
    slow = command(tmp_path, f'{waits}\nPATH=${{PATH#*:}}\nexec subtuning "$@"')
    first = subprocess.Popen(
        [*SNAKEMAKE, "--cores", "1", "results/tasks/cells/task.json"],
        cwd=folder,
        env=warm_environment | {"PATH": f"{slow}:{warm_environment['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (folder / "started").exists():
            assert first.poll() is None
            time.sleep(0.02)
        second = call([*SNAKEMAKE, "--cores", "1", "results/tasks/cells/task.json"], folder, warm_environment)
        assert second.code == 1
        assert "Directory cannot be locked" in second.output
    finally:
        (folder / "go").touch()
        assert first.wait() == 0
    assert (folder / "results/tasks/cells/task.json").exists()


def command(tmp_path, script):
    """A folder with a `subtuning` that does something else as well."""
    (tmp_path / "bin").mkdir()
    file = tmp_path / "bin" / "subtuning"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return tmp_path / "bin"


def numbers_written(folder):
    return [len(list((folder / "results").glob(name))) for name in ("runs/*/*.json", "checkpoints/*.pt")]


def test_a_time_limit_saves_the_state_though_the_log_has_lost_its_writer(finished, tmp_path):
    """A cluster sends SIGTERM to all processes of a job: `tee` is gone when the training wants to say that it stops."""
    folder = not_trained_yet(finished[0], tmp_path / "project")
    process = start(folder)
    wait_for_a_record(folder, process)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(timeout=120) != 0
    until = time.monotonic() + 60  # the training may outlive the shell that started it by the step that it finishes
    while sum(written := numbers_written(folder)) < len(RUNS) and time.monotonic() < until:
        time.sleep(0.05)
    assert sum(written) == len(RUNS)
    assert written[1]
