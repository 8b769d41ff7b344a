"""Several trainings on one machine: each has a GPU of its own. The GPUs are pretended: mere names."""

import os
import select
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from subtuning.errors import UserError
from subtuning.training.lease import gpu_lease, gpus_to_choose_from, installed_gpus, listed_gpus, locks_folder

ROOT = Path(__file__).resolve().parents[2]

HOLDER = """\
import os, sys
import filelock  # another user may not be able to read it
from subtuning.training.lease import gpu_lease
if len(sys.argv) > 2:
    os.setuid(int(sys.argv[2]))
with gpu_lease(sys.argv[1]) as gpu:
    print(gpu, os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
    sys.stdin.read()
"""

PLAIN = """\
GPU 0: NVIDIA H200 (UUID: GPU-3c2a)
GPU 1: NVIDIA H200 (UUID: GPU-77e1)
"""

CUT = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-3c2a)
  MIG 3g.20gb     Device  0: (UUID: MIG-0a)
  MIG 3g.20gb     Device  1: (UUID: MIG-0b)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-77e1)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Temporary files and caches of the test's own, and no scheduler."""
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "SLURM_JOB_GPUS", "SLURM_GPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@contextmanager
def holders(*words_of_each, gpus):
    """Processes that ask for a GPU and keep it until they are told to go on."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": gpus}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    started = [
        subprocess.Popen([sys.executable, "-c", HOLDER, *words], env=environment, text=True, **pipes)
        for words in words_of_each
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def answers(processes, count):
    """Process -> what it printed, of the first `count` that print anything."""
    found = {}
    while len(found) < count:
        waiting = {process.stdout: process for process in processes if process not in found}
        ready, _, _ = select.select(waiting, [], [], 60)
        assert ready, "nobody got a GPU"
        found |= {waiting[stream]: stream.readline().split() for stream in ready}
    return found


def test_processes_at_once_get_different_gpus_and_one_too_many_waits():
    with holders(["auto"], ["cuda"], ["auto"], ["auto"], gpus="0,GPU-7,2") as processes:
        found = answers(processes, 3)
        assert sorted(found.values()) == [["0", "0"], ["2", "2"], ["GPU-7", "GPU-7"]]
        (waiting,) = set(processes) - set(found)
        line = waiting.stderr.readline()
        assert line.startswith("all GPUs (0, GPU-7, 2) are in use by other trainings; waiting until one is free")
        assert not select.select([waiting.stdout], [], [], 1.5)[0], "it waits"
        first = next(iter(found))
        first.communicate()  # it ends
        assert answers([waiting], 1) == {waiting: found[first]}
        assert waiting.stderr.readline() == f"training on GPU {found[first][0]} (of 3)\n", "one line told of the wait"


def test_kill_9_of_a_holder_frees_its_gpu():
    with holders(["auto"], ["auto"], gpus="0,1") as processes:
        found = answers(processes, 2)
        victim = processes[0]
        victim.send_signal(signal.SIGKILL)
        assert victim.wait() == -signal.SIGKILL
        with holders(["auto"], gpus="0,1") as (third,):
            assert answers([third], 1) == {third: found[victim]}


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_a_device_that_was_chosen_is_not_leased(device, monkeypatch, folder):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with gpu_lease(device) as gpu:
        assert gpu is None
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert list(folder.iterdir()) == []


def test_the_environment_is_as_before_afterwards(monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    with gpu_lease("auto") as first, gpu_lease("auto") as second:
        assert (first, second) == ("4", None), "one GPU in sight is no choice any more"
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "4"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,5"
    with gpu_lease("cuda") as again:
        assert again == "4"
    assert capsys.readouterr().err == "training on GPU 4 (of 2)\n" * 2


@pytest.mark.parametrize(
    ("environment", "gpus"),
    [
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, ["0", "1"]),
        ({"CUDA_VISIBLE_DEVICES": " GPU-a , GPU-b "}, ["GPU-a", "GPU-b"]),
        ({"CUDA_VISIBLE_DEVICES": "2,3,-1,4"}, ["2", "3"]),
        ({"CUDA_VISIBLE_DEVICES": "3,3"}, []),
        ({"CUDA_VISIBLE_DEVICES": "1"}, []),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, []),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, []),
        ({"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "2,3"}, ["0", "1"]),
        ({"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "3"}, []),
        ({"SLURM_JOB_ID": "7", "SLURM_GPUS_ON_NODE": "1"}, []),
    ],
)
def test_what_there_is_to_choose_from(environment, gpus):
    assert gpus_to_choose_from(environment) == gpus


def test_without_a_variable_the_driver_is_asked(tmp_path, monkeypatch):
    command = tmp_path / "nvidia-smi"
    command.write_text(f'#!/bin/sh\n[ "$*" = "-L" ] || exit 9\ncat <<END\n{PLAIN}END\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert gpus_to_choose_from(os.environ) == ["GPU-3c2a", "GPU-77e1"]
    with gpu_lease("auto") as gpu:
        assert gpu == os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-3c2a"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    command.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    assert installed_gpus() == []
    monkeypatch.setenv("PATH", "")
    assert installed_gpus() == []


def test_slices_of_a_gpu_are_leased_one_by_one():
    assert listed_gpus(CUT) == ["MIG-0a", "MIG-0b", "GPU-77e1"]
    assert listed_gpus("No devices found.\n") == []


def test_jobs_of_slurm_that_all_number_their_gpus_from_0_do_not_wait_for_each_other(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with holders(["auto"], gpus="0,1") as (process,):
        assert answers([process], 1)[process][0] == "0"
        monkeypatch.setenv("SLURM_JOB_ID", "8")
        with holders(["auto"], ["auto"], gpus="0,1") as others:
            assert sorted(gpu for gpu, _ in answers(others, 2).values()) == ["0", "1"]


def spoil(place, how):
    if how == "a file":
        place.write_text("somebody else's")
    elif how == "a link":
        place.symlink_to("/")
    else:
        place.mkdir()
        if os.getuid() == 0:
            os.chown(place, 65534, 65534)
        else:
            place.chmod(0o500)


@pytest.mark.parametrize("how", ["a file", "a link", "a folder that is not ours"])
def test_something_of_another_user_with_the_same_name(how, folder, tmp_path):
    spoil(folder / f"subtuning-gpus-{os.getuid()}", how)
    found = locks_folder()
    assert found.parent == tmp_path / "cache" / "subtuning"
    assert found.is_dir()
    assert locks_folder() == found


def test_no_place_for_locks_is_one_sentence(folder, tmp_path):
    spoil(folder / f"subtuning-gpus-{os.getuid()}", "a file")
    (tmp_path / "cache").write_text("no folder")
    with pytest.raises(UserError, match=r"subtuning-gpus-\d+, where trainings note .*, cannot be used; .*set TMPDIR"):
        locks_folder()


@pytest.mark.root
def test_two_users_have_folders_of_their_own(monkeypatch):
    """Where the test may become another user; elsewhere both processes are the same user's, and share the folder."""
    other = 65534 if os.getuid() == 0 else os.getuid()
    with tempfile.TemporaryDirectory(dir="/tmp") as place:  # pytest's own folders are closed to other users
        Path(place).chmod(0o1777)
        monkeypatch.setenv("TMPDIR", place)
        with holders(["auto"], ["auto", str(other)], gpus="0,1") as processes:
            found = answers(processes, 2)
        owners = {int(folder.name.rpartition("-")[2]): folder.stat() for folder in Path(place).iterdir()}
    assert set(owners) == {os.getuid(), other}
    assert all(folder.st_uid == owner and folder.st_mode & 0o077 == 0 for owner, folder in owners.items())
    assert sorted(gpu for gpu, _ in found.values()) == (["0", "0"] if len(owners) == 2 else ["0", "1"])
