"""Whose lock is it? Processes of other users on the same machine, whose folders one may not see, decide nothing."""

import os
from types import SimpleNamespace

import psutil
import pytest

from subtuning.workflow import leftover


class Hidden:
    """A Snakemake whose folder this user may not see."""

    def __init__(self, user: int):
        self.info = {"pid": -1, "cmdline": ["python", "/usr/bin/snakemake"], "uids": SimpleNamespace(real=user)}

    def cwd(self):
        raise psutil.AccessDenied


@pytest.mark.parametrize(("user", "stays"), [(os.getuid() + 1, False), (os.getuid(), True)])
def test_another_users_workflow_keeps_no_lock_alive(tmp_path, monkeypatch, user, stays):
    lock = tmp_path / ".snakemake" / "locks" / "0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    leftover.note_host(lock.parents[1])
    monkeypatch.setattr(psutil, "process_iter", lambda attributes: [Hidden(user)])
    leftover.remove_stale_lock(["snakemake", "--cores", "1"], lock.parents[1])
    assert lock.exists() == stays
