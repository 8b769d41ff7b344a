"""What a Snakemake that was killed leaves behind: its lock, which would stop the next call of the same command."""

import shutil
import socket
import sys
from pathlib import Path

MEMORY = Path(".snakemake")
"""Where Snakemake keeps its lock; its folder is the one that the workflow runs in."""


def note_host(memory: Path = MEMORY) -> None:
    """Remember on which machine the workflow runs: nobody can tell from another one whether it still does."""
    (memory / "subtuning_host").write_text(socket.gethostname(), encoding="utf-8")


def remove_stale_lock(memory: Path = MEMORY) -> None:
    """Remove Snakemake's lock if the run that made it was killed; the lock of a living one stays.

    A lock is stale when it was made on this machine and neither a Snakemake nor one of its jobs lives in its folder.
    """
    locks, host = memory / "locks", memory / "subtuning_host"
    if not locks.is_dir() or not host.is_file() or host.read_text(encoding="utf-8") != socket.gethostname():
        return
    if not _in_use(memory.resolve().parent):
        shutil.rmtree(locks, ignore_errors=True)
        print("The last run was killed; its lock is removed, and what it finished is kept.", file=sys.stderr)


def _in_use(folder: Path) -> bool:
    """Whether a process other than this one and its parents runs the workflow in `folder`."""
    import psutil

    me = psutil.Process()
    own = {me.pid, *(parent.pid for parent in me.parents())}
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = {Path(word).name for word in process.info["cmdline"] or []}
        if process.info["pid"] in own or not words & {"snakemake", "subtuning"}:
            continue
        try:
            if Path(process.cwd()) == folder:
                return True
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:  # somebody else's: perhaps here
            return True
    return False
