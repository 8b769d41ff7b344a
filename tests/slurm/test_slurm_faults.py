"""A time limit, a cancelled job and a dead node in one profile: the same call finishes it, and nothing is lost."""

import time
from collections import Counter

import pytest

from tests.slurm.cluster import wait_for
from tests.slurm.flow import Flow, numbers
from tests.workflow.snake import changed, not_trained_yet, records, write_config

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

TABLE = "results/cells/tiny/profile.csv"
EPOCHS, STEPS = 60, 120
"""Each of the two folds trains on 30 images, in two steps an epoch."""


class Faults:
    """One call of Snakemake whose three training jobs end each in another way; its retries finish the work."""

    def __init__(self, cluster, folder):
        self.cluster, self.slow = cluster, folder / "slow"
        self.slow.touch()
        words = ["--default-resources", "slurm_partition=both", "mem_mb=2000", "runtime=30"]
        words += ["--set-threads", "train_profile=1", "--", TABLE]  # one fold after the other
        self.flow = Flow(cluster, folder, *words, SLOW=str(self.slow))

    def happen(self):
        """Let the second of two groups of lanes begin in each job, then strike."""
        first = wait_for(self._all_in_second_fold, "three jobs train their second fold", 240)
        self.records_before = {f: f.stat().st_mtime_ns for f in self.flow.folder.glob("results/runs/*/*.json")}
        queue = self.cluster.jobs()
        self.failed = next(diary for diary in first if queue[diary.job]["node"] == "n2")
        self.limited, self.cancelled = [diary for diary in first if diary is not self.failed]
        self.limits = {queue[diary.job]["limit"] for diary in first}
        self.cluster.kill_node("n2")
        self.cancelled_at = time.monotonic()
        self.cluster.ask("scancel", str(self.cancelled.job))
        self.cluster.ask("scontrol", "update", f"JobId={self.limited.job}", "EndTime=now+1")
        wanted = {self.failed.job: "NODE_FAIL", self.cancelled.job: "CANCELLED", self.limited.job: "TIMEOUT"}
        wait_for(lambda: self.states(wanted) == wanted, f"the jobs end as {wanted}", 180)
        self.slow.unlink()
        self.flow.finish()
        self.cluster.start_node("n2")

    def states(self, wanted):
        jobs = self.cluster.jobs("-t", "all")
        return {number: jobs[number]["state"] for number in wanted}

    def diaries_of(self, diary):
        """All attempts of a shard."""
        return [each for each in self.flow.diaries() if (each.verb, each.shard) == ("profile", diary.shard)]

    def steps(self, diary):
        """How often each step of each run was trained, over all attempts of a shard."""
        return Counter((r, step["step"]) for d in self.diaries_of(diary) for step in d.steps for r in step["runs"])

    def _all_in_second_fold(self):
        training = [diary for diary in self.flow.diaries() if diary.verb == "profile"]
        begun = [diary for diary in training if any(step["fold"] == 1 for step in diary.steps)]
        return begun if len(begun) == 3 else None


@pytest.fixture(scope="module")
def config():
    return changed("recipe.epochs", EPOCHS, "profile.shards", 3)


@pytest.fixture(scope="module")
def undisturbed(here, tmp_path_factory, snakemake, config):
    """The same profile, made on this machine without any fault."""
    folder = not_trained_yet(here, tmp_path_factory.mktemp("undisturbed") / "project")
    write_config(folder, config)
    result = snakemake(folder, TABLE)
    assert result.code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def faults(cluster, here, tmp_path_factory, config):
    folder = not_trained_yet(here, tmp_path_factory.mktemp("faults") / "project")
    write_config(folder, config)
    faults = Faults(cluster, folder)
    try:
        faults.happen()
    finally:
        faults.flow.kill()
    return faults


def test_the_table_is_that_of_an_undisturbed_run(faults, undisturbed):
    assert numbers(faults.flow.folder / TABLE) == numbers(undisturbed / TABLE)
    assert records(faults.flow.folder).keys() == records(undisturbed).keys()


def test_each_job_was_sent_again_once(faults):
    for diary in (faults.limited, faults.cancelled, faults.failed):
        attempts = [each.job for each in faults.diaries_of(diary)]
        assert len(attempts) == len(set(attempts)) == 2
        assert faults.states(attempts[1:]) == {attempts[1]: "COMPLETED"}


def test_the_second_attempt_has_twice_the_time(faults):
    assert faults.limits == {"2:00:00"}
    jobs = faults.cluster.jobs("-t", "all")
    seconds = [faults.diaries_of(diary)[1].job for diary in (faults.limited, faults.cancelled, faults.failed)]
    assert {jobs[number]["limit"] for number in seconds} == {"4:00:00"}


def test_no_finished_run_is_trained_again(faults):
    assert len(faults.records_before) == 9, "the first fold of all subsets was finished before the faults"
    assert {file: file.stat().st_mtime_ns for file in faults.records_before} == faults.records_before
    trained = Counter(run for diary in faults.flow.diaries() for run in diary.finished)
    assert trained == dict.fromkeys(records(faults.flow.folder), 1)


@pytest.mark.parametrize("fault", ["limited", "cancelled"])
def test_not_one_step_is_lost_or_repeated_when_slurm_says_sigterm(faults, fault):
    diary = getattr(faults, fault)
    assert faults.steps(diary) == {(run, step): 1 for run in runs_of(faults, diary) for step in range(STEPS)}
    first, second = faults.diaries_of(diary)
    assert first.finished
    assert second.steps[0]["step"] == first.steps[-1]["step"] + 1 > 0, "the second attempt goes on from the checkpoint"


def test_a_dead_node_costs_at_most_what_was_not_saved(faults):
    steps = faults.steps(faults.failed)
    assert steps.keys() == {(run, step) for run in runs_of(faults, faults.failed) for step in range(STEPS)}
    assert {steps[run, step] for run in faults.failed.finished for step in range(STEPS)} == {1}


def test_the_trainer_leaves_in_ten_seconds_after_sigterm(faults):
    first = faults.diaries_of(faults.cancelled)[0]
    assert 0 < first.end - faults.cancelled_at < 10


def test_no_checkpoint_is_left(faults):
    assert not list(faults.flow.folder.glob("results/checkpoints/*"))


def runs_of(faults, diary):
    """The runs of a shard: three subsets, two folds."""
    runs = {run for each in faults.diaries_of(diary) for run in each.finished}
    assert len(runs) == 6
    return runs
