"""What a Snakemake that was killed leaves behind: its lock, which would stop the next call of the same command."""

import re
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

DRY_RUN = re.compile(r"--dry-?run|-[a-zA-Z]*n[a-zA-Z]*")
"""Snakemake tells a workflow that is being parsed nothing of its own options."""

MEMORY = Path(".snakemake")
"""Where Snakemake keeps its lock; its folder is the one that the workflow runs in."""


def note_host(memory: Path = MEMORY) -> None:
    """Remember on which machine the workflow runs: nobody can tell from another one whether it still does."""
    (memory / "subtuning_host").write_text(socket.gethostname(), encoding="utf-8")


def remove_stale_lock(command: Sequence[str], memory: Path = MEMORY) -> None:
    """Remove Snakemake's lock if the run that made it was killed; the lock of a living one stays.

    A lock is stale when it was made on this machine and neither a Snakemake nor one of its jobs lives in its folder.

    Args:
        command: the words of this call; one that only looks (`-n`) removes nothing.
    """
    locks, host = memory / "locks", memory / "subtuning_host"
    if any(DRY_RUN.fullmatch(word) for word in command) or not any(locks.glob("*")):
        return
    if not host.is_file() or host.read_text(encoding="utf-8") != socket.gethostname():
        return
    users = _users(memory.resolve().parent, {lock.stat().st_uid for lock in locks.glob("*")})
    if users == {"subtuning"}:
        print(
            "A job of the run that was killed still works here; let it finish or end it, and give the command again.",
            file=sys.stderr,
        )
    if not users:
        shutil.rmtree(locks, ignore_errors=True)
        print("The last run was killed; its lock is removed, and what it finished is kept.", file=sys.stderr)


def _users(folder: Path, owners: set[int]) -> set[str]:
    """The commands (`snakemake`, `subtuning`) that processes other than this one and its parents run in `folder`.

    Args:
        owners: the numbers of the users who made the lock. Those of their processes whose folder cannot be seen count.
    """
    import psutil

    me = psutil.Process()
    own, users = {me.pid, *(parent.pid for parent in me.parents())}, set()
    for process in psutil.process_iter(["pid", "cmdline", "uids"]):
        found = {Path(word).name for word in process.info["cmdline"] or []} & {"snakemake", "subtuning"}
        if process.info["pid"] in own or not found:
            continue
        try:
            here = Path(process.cwd()) == folder
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:  # of another user; its folder is not ours to know, but who made the lock is
            here, found = process.info["uids"].real in owners, {"snakemake"}
        if here:
            users |= found
    return users
