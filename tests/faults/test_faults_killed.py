"""Signal 9 to the trainer, to Snakemake, to both (see also tests/workflow/test_workflow_interrupted.py); power cuts."""

import contextlib
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.faults.compare import RUNS, TARGET, assert_finished_like, assert_profile_like, trainings
from tests.faults.conftest import SNAKEMAKE, TRAINER, pid_of, wait_until
from tests.workflow.snake import not_trained_yet, records

KILLS = 50
KILLED = 137


@pytest.mark.slow
def test_fifty_kills_of_the_trainer_at_random_moments(undisturbed, tmp_path, trainer, start, finish):
    """Half of them between two changes of files, half by the clock; a store that is finished before is compared, and
    the kills go on in the next one."""
    rng, kills, stores, hit = random.Random(0), 0, 0, set()
    seen = None
    while kills < KILLS:
        if seen is None:
            folder, seen = not_trained_yet(undisturbed, tmp_path / str(stores)), {}
            shutil.rmtree(folder / "results/tables")
            stores += 1
        code = kill_between_files(folder, trainer, rng) if kills % 2 else kill_by_the_clock(folder, start, rng)
        now = records(folder)  # every file in the store is whole
        assert seen.items() <= now.items(), "a finished run was lost or trained again"
        seen = now
        if code == KILLED:
            kills += 1
            hit.add(len(seen))
        else:
            assert code == 0
            finish(folder)
            assert_profile_like(folder, undisturbed)
            seen = None
    assert len(hit) > 1, "they died with different numbers of runs finished"
    finish(folder)
    assert seen is None or seen.items() <= records(folder).items()
    assert_profile_like(folder, undisturbed)


def kill_between_files(folder, trainer, rng):
    return trainer(folder, ["checkpoint_every_step"], ["kill_at_event", rng.randint(1, 120)]).code


def kill_by_the_clock(folder, start, rng):
    noted = folder / "noted"
    shutil.rmtree(noted, ignore_errors=True)
    noted.mkdir()
    process = start(TRAINER, folder, ["checkpoint_every_step"], ["note_pid", str(noted)])
    pid = pid_of(noted)
    time.sleep(rng.uniform(0, 1))
    with contextlib.suppress(ProcessLookupError):  # it may have finished
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    return process.returncode


def test_the_trainer_alone_is_killed(folder, undisturbed, snakemake, start):
    """Snakemake sees a failed job; the same command goes on."""
    log = folder / "log"
    faults = ["log_trainings", str(log)], ["note_pid", str(folder)], ["wait_for", str(folder / "go")]
    workflow = start([*SNAKEMAKE, "--", TARGET], folder, *faults)
    wait_until((folder / "go.reached").exists)
    os.kill(pid_of(folder), signal.SIGKILL)
    assert workflow.wait(timeout=240) == 1
    assert snakemake(folder, ["log_trainings", str(log)]).code == 0
    assert_finished_like(folder, undisturbed)
    assert set(trainings(log).values()) == {1}
    assert trainings(log).keys() == records(folder).keys()


def test_snakemake_alone_is_killed(folder, undisturbed, snakemake, start):
    """Its job lives on and finishes its runs; the same command leaves them to it and goes on with the rest."""
    log, go = folder / "log", folder / "go"
    faults = ["log_trainings", str(log)], ["note_pid", str(folder)], ["wait_for", str(go)]
    workflow = start([*SNAKEMAKE, "--", TARGET], folder, *faults)
    wait_until((folder / "go.reached").exists)
    os.kill(pid_of(folder, "warm-snakemake"), signal.SIGKILL)
    assert workflow.wait(timeout=240) == KILLED
    orphan = pid_of(folder)
    second = start([*SNAKEMAKE, "--", TARGET], folder, ["log_trainings", str(log)])
    profile_log = folder / "results/logs/profile/cells/tiny/shard0.log"
    wait_until(lambda: "waiting for another process" in profile_log.read_text())
    go.touch()
    assert second.wait(timeout=240) == 0
    wait_until(lambda: not Path(f"/proc/{orphan}").exists())
    wait_until(lambda: not any_client_in(folder))
    before = records(folder)
    assert len(before) == RUNS, "the trainer finished what it had begun"
    result = snakemake(folder, ["log_trainings", str(log)])
    assert result.code == 0, result.output
    assert before.items() <= records(folder).items()
    assert_finished_like(folder, undisturbed)
    assert set(trainings(log).values()) == {1}


def any_client_in(folder):
    """Whether the command line of a job is still there."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"subtuning" in (process / "cmdline").read_bytes() and (process / "cwd").resolve() == folder:
                return True
        except OSError:
            continue
    return False


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
def test_a_power_cut_cuts_off_what_was_written_last(folder, undisturbed, trainer, finish, kept):
    log = folder / "log"
    # a group for each of the two folds, two steps each: killed in the second one, which has its first checkpoints
    assert trainer(folder, ["checkpoint_every_step"], ["kill_before_step", 4]).code == KILLED
    before = records(folder)
    written, saved = (newest(folder / "results", names) for names in ("runs/*/*.json", "checkpoints/*.pt"))
    for file in (written, saved):
        os.truncate(file, int(file.stat().st_size * kept))
    del before[written.stem]
    assert len(before) == RUNS // 2 - 1
    finish(folder, ["log_trainings", str(log)])
    assert before.items() <= records(folder).items()
    assert trainings(log)[written.stem] == 1, "the run whose record was cut off is trained again"
    assert trainings(log).keys() == records(folder).keys() - before.keys()
    assert_profile_like(folder, undisturbed)


def newest(folder, names):
    return max(folder.glob(names), key=lambda file: file.stat().st_mtime_ns)
