"""The small workflow through a real SLURM: the same tables as on one machine, and one GPU for each training."""

import re
import shutil

import pytest

from tests.slurm.flow import Flow, numbers
from tests.workflow.snake import changed, new_folder, records

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

PAIR = "results/cells/tiny"

TRAINED = ["profile", "greedy/forward/1", "greedy/forward/2", "evaluation"]
"""The steps that train; the profile in two jobs."""


@pytest.fixture(scope="module")
def flow(cluster, tmp_path_factory, warm_environment):
    """A whole run through profiles/slurm as it is, with the profile spread over two GPUs."""
    folder = new_folder(tmp_path_factory.mktemp("slurm") / "project", changed("profile.shards", 2))
    flow = Flow(cluster, folder, TOGETHER="2", WARM=shutil.which("subtuning", path=warm_environment["PATH"]))
    try:
        flow.finish()
    finally:
        flow.kill()
    return flow


def test_the_tables_are_those_of_one_machine(flow, here):
    tables, of_flow = ({file.relative_to(at) for file in (at / "results").rglob("*.csv")} for at in (here, flow.folder))
    assert tables == of_flow
    assert len(tables) >= 5
    for table in sorted(tables):
        assert numbers(flow.folder / table) == numbers(here / table), table
    for name in ("greedy.csv", "selected.json", "greedy/forward/round1.json", "greedy/forward/round2.json"):
        assert (flow.folder / PAIR / name).read_bytes() == (here / PAIR / name).read_bytes(), name


def test_no_run_is_trained_twice(flow, here):
    logs = "".join(file.read_text() for file in (flow.folder / "results/logs").rglob("*.log"))
    counts = re.findall(r"cells/tiny: (\d+) runs, (\d+) finished before", logs)
    assert sum(int(wanted) - int(before) for wanted, before in counts) == len(records(flow.folder))
    assert records(flow.folder).keys() == records(here).keys()


def test_only_preparing_and_training_are_jobs_of_the_cluster(flow):
    """What fetches, and what takes a second, runs where Snakemake runs."""
    assert sorted(diary.verb for diary in flow.diaries() if diary.job) == sorted(
        ["convert", "deliver", "describe", "profile", *TRAINED]
    )
    here = {diary.verb for diary in flow.diaries() if not diary.job}
    assert here == {"answer", "check-plan", "conclude", "errors", "fetch", "figures", "tables"}


def test_each_training_sees_the_one_gpu_that_slurm_gave_it(flow):
    for diary in (diary for diary in flow.diaries() if diary.job):
        if diary.verb in TRAINED:
            assert diary.gpu == diary.slurm["given"] in ("0", "1"), diary
        else:
            assert diary.slurm["given"] == "", f"{diary.verb} holds a GPU"


def test_two_trainings_at_once_have_different_gpus(flow):
    first, second = [diary for diary in flow.diaries() if diary.verb == "profile"]
    assert second.begin < first.end, "they ran at the same time"
    assert {first.gpu, second.gpu} == {"0", "1"}
    assert first.job != second.job


def test_the_same_command_again_does_nothing(flow, cluster):
    before = len(cluster.jobs("-t", "all"))
    again = Flow(cluster, flow.folder)
    assert "Nothing to be done" in again.finish()
    assert len(cluster.jobs("-t", "all")) == before
