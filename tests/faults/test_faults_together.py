"""Two at once on one store: no run is trained twice, and nobody waits for the dead."""

import os
import signal
from collections import Counter

import pytest

from subtuning.runs import Store
from subtuning.runs.claims import Claims, held
from tests.faults.compare import RUNS, TARGET, assert_profile_like, trainings
from tests.faults.conftest import SNAKEMAKE, TABLE, TRAINER, pid_of, wait_until
from tests.tiny import make_run
from tests.workflow.snake import changed, new_folder, records, write_config

WAITING = "waiting for another process"


def test_two_trainers_share_the_work(folder, undisturbed, start, subtuning):
    """While the first one holds one fold's runs, the second one trains the other fold's."""
    log, go = folder / "log", folder / "go"
    first = start(TRAINER, folder, ["log_trainings", str(log)], ["wait_for", str(go)])
    wait_until((folder / "go.reached").exists)
    assert len(held(folder / "results/claims")) == RUNS // 2
    second = start(TRAINER, folder, ["log_trainings", str(log)])
    wait_until(lambda: len(trainings(log)) == RUNS // 2)
    go.touch()
    outputs = [process.communicate(timeout=240)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], outputs
    assert WAITING in outputs[1]
    assert WAITING not in outputs[0]
    assert trainings(log) == Counter(records(folder).keys())
    assert subtuning(folder, *TABLE).code == 0
    assert_profile_like(folder, undisturbed)
    assert list((folder / "results/claims").iterdir()) == []


def test_a_waiting_trainer_takes_over_when_the_holder_is_killed(folder, undisturbed, start, subtuning):
    log, go = folder / "log", folder / "go"
    faults = ["note_pid", str(folder)], ["wait_for", str(go)]
    first = start([*TRAINER, "--lanes", "3"], folder, *faults)
    wait_until((folder / "go.reached").exists)
    claimed = held(folder / "results/claims")
    assert len(claimed) == 3
    second = start(TRAINER, folder, ["log_trainings", str(log)])
    wait_until(lambda: len(trainings(log)) == RUNS - 3)
    os.kill(pid_of(folder), signal.SIGKILL)
    first.communicate()
    output = second.communicate(timeout=240)[0]
    assert second.returncode == 0, output
    assert f"{WAITING}, which trains 3 of the runs wanted here" in output
    assert trainings(log) == Counter(records(folder).keys())
    assert claimed <= trainings(log).keys()
    assert subtuning(folder, *TABLE).code == 0
    assert_profile_like(folder, undisturbed)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait(folder, start, signum):
    start(TRAINER, folder, ["wait_for", str(folder / "go")])
    wait_until((folder / "go.reached").exists)
    second = start(TRAINER, folder, ["note_pid", str(folder)], ["log_trainings", str(folder / "log")])
    wait_until(lambda: len(trainings(folder / "log")) == RUNS // 2)
    while WAITING not in (line := second.stdout.readline()):
        assert line, "it ended"
    os.kill(pid_of(folder), signum)
    output = second.communicate(timeout=240)[0]
    assert second.returncode == 128 + signum
    assert "finished runs are kept, and the same command goes on from here" in output


@pytest.mark.parametrize("settings", [[], [["checkpoint_every_step"]]], ids=["plain", "with checkpoints"])
def test_without_file_locks_both_train_and_nothing_is_wrong(folder, undisturbed, start, subtuning, settings):
    log = folder / "log"
    faults = ["no_file_locks"], ["log_trainings", str(log)], *settings
    both = [start(TRAINER, folder, *faults) for _ in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert all("on a file system without file locks" in output for output in outputs)
    assert trainings(log).keys() == records(folder).keys()
    assert subtuning(folder, *TABLE).code == 0
    assert_profile_like(folder, undisturbed)


@pytest.mark.slow
def test_two_snakemakes_on_one_store(undisturbed, tmp_path, start, snakemake):
    """Two tasks of the same images are the same runs: two calls for different files train each of them once."""
    source = {"source": "arrays", "path": "cells.npz"}
    folder = new_folder(tmp_path / "project", changed("tasks/twin", source))
    for task in ("cells", "twin"):
        assert snakemake(folder, target=f"results/tasks/{task}/task.json").code == 0
    assert snakemake(folder, target="results/backbones/tiny/layers.json").code == 0
    log, go = folder / "log", folder / "go"
    calls = []
    for task in ("cells", "twin"):
        faults = [["log_trainings", str(log)]] + [["wait_for", str(go)]] * (task == "cells")
        calls.append(start([*SNAKEMAKE, "--", f"results/{task}/tiny/profile.csv"], folder, *faults))
        wait_until((folder / "go.reached").exists)
    wait_until(lambda: len(trainings(log)) == RUNS // 2)
    go.touch()
    outputs = [process.communicate(timeout=240)[0] for process in calls]
    assert [process.returncode for process in calls] == [0, 0], outputs
    assert trainings(log) == Counter(records(folder).keys())
    assert len(trainings(log)) == RUNS
    twin = (folder / "results/twin/tiny/profile.csv").read_text()
    assert twin == (folder / TARGET).read_text()
    (folder / "results/twin/tiny/profile.csv").unlink()
    assert_profile_like(folder, undisturbed)


def test_a_task_that_was_renamed_keeps_its_runs(profiled, subtuning):
    """Records that were made under the old and under the new name are one table."""
    write_config(profiled, changed("tasks", {"renamed": {"source": "arrays", "path": "cells.npz"}}))
    (profiled / "results/tasks/cells").rename(profiled / "results/tasks/renamed")
    for record in list((profiled / "results/runs").glob("*/*.json"))[::2]:
        record.unlink()
    words = ["profile", "--task", "renamed", "--backbone", "tiny", "--out"]
    result = subtuning(profiled, "train-step", *words, "results/renamed.json", "--threads", "1")
    assert result.code == 0, result.output
    assert f"{RUNS} runs, {RUNS // 2} finished before" in result.output
    result = subtuning(profiled, "conclude", *words, "results/renamed.csv")
    assert result.code == 0, result.output


# One process, no training.


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


RESULT = {"status": "done", "metrics": {"accuracy": 0.5}, "seconds": 1.0}
A, B, C = (make_run((name,)) for name in "abc")


def no_pause():
    raise AssertionError("there is nothing to wait for")


def test_what_is_yielded_is_claimed_until_the_next(store):
    folder = store.folder.with_name("claims")
    with Claims(store) as claims:
        shares = claims.shares([[A, B], [C]], no_pause)
        assert next(shares) == [A, B]
        assert held(folder) == {A.id, B.id}
        for run in (A, B):
            store.add(run, RESULT)
        assert next(shares) == [C]
        assert held(folder) == {C.id}
    assert held(folder) == set()
    assert list(folder.iterdir()) == []


def test_what_another_finished_or_gave_up_meanwhile(store):
    def pause():
        """The other one finishes B, and ends without having finished A."""
        store.add(B, RESULT)
        other.__exit__()

    with Claims(store) as other, Claims(store) as mine:
        assert next(other.shares([[A, B]], no_pause)) == [A, B]
        found = []
        for runs in mine.shares([[A, B, C]], pause):
            found.append(runs)
            for run in runs:
                store.add(run, RESULT)
        assert found == [[C], [A]]


def test_a_claim_file_that_a_killed_trainer_left_claims_nothing(store):
    folder = store.folder.with_name("claims")
    folder.mkdir()
    (folder / f"{A.id}.lock").touch()
    assert held(folder) == set()
    with Claims(store) as claims:
        assert next(claims.shares([[A]], no_pause)) == [A]
        store.add(A, RESULT)
    assert list(folder.iterdir()) == []


def test_no_folder_no_claims(tmp_path):
    assert held(tmp_path / "nowhere") == set()
