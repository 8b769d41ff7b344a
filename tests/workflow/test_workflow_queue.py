"""A scheduler that is not SLURM: profiles/generic, with the queue of task-spooler."""

import os
import shutil
import subprocess
import tempfile
import time

import pytest
import yaml

from tests.workflow.snake import ROOT, SNAKEMAKE, call, new_folder, real_environment, records

PROFILE = ROOT / "profiles" / "generic"

pytestmark = [pytest.mark.queue, pytest.mark.slow]


@pytest.fixture
def queue():
    """The environment of a queue of four slots; ended afterwards."""
    short = tempfile.mkdtemp()  # pytest's own folders are too long for a socket's name
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = real_environment(TS_SOCKET=f"{short}/socket", TS_SLOTS="4", TMPDIR=short, PYTHONPATH=path)
    yield environment
    subprocess.run(["tsp", "-K"], env=environment, check=True)
    shutil.rmtree(short)


def test_the_profile_trains_through_the_queue(queue, tmp_path, finished):
    folder = new_folder(tmp_path / "project")
    table = "results/cells/tiny/profile.csv"
    result = call([*SNAKEMAKE, table, "--workflow-profile", str(PROFILE)], folder, queue)
    assert result.code == 0, result.output
    listed = subprocess.run(["tsp", "-l"], env=queue, capture_output=True, text=True, check=True).stdout
    jobs = [line.split() for line in listed.splitlines()[1:]]  # number, state, output, exit code, seconds, command
    assert [(job[1], job[3]) for job in jobs] == [("finished", "0")] * 3, listed
    for rule in ("convert_task", "describe_backbone", "train_profile"):
        assert f"[{rule}]" in listed
    here = records(finished[0])
    trained = records(folder)
    assert trained
    for name, record in trained.items():
        assert record["metrics"] == here[name]["metrics"]


def test_the_status_of_a_job_is_told_by_its_end(queue):
    command = yaml.safe_load((PROFILE / "profile.yaml").read_text())["cluster-generic-status-cmd"]

    def ask(*job):
        number = subprocess.run(["tsp", *job], env=queue, capture_output=True, text=True, check=True).stdout

        def status():
            words = f"{command} '{number.strip()}'"  # as the plugin calls it
            return subprocess.run(words, shell=True, env=queue, capture_output=True, text=True, check=True).stdout

        return number.strip(), status

    ends = {"success": ask("true"), "failed": ask("false")}
    number, killed = ask("sleep", "60")
    assert killed() == "running\n"
    for _ in range(100):
        if all(status() != "running\n" for _, status in ends.values()):
            break
        time.sleep(0.1)
    assert {end: status() for end, (_, status) in ends.items()} == {"success": "success\n", "failed": "failed\n"}
    pid = subprocess.run(["tsp", "-p", number], env=queue, capture_output=True, text=True, check=True).stdout
    os.kill(int(pid), 9)
    for _ in range(100):
        if killed() != "running\n":
            break
        time.sleep(0.1)
    assert killed() == "failed\n"
