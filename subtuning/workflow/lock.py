"""One Snakemake at a time in a folder, by a lock that its holder cannot leave behind.

Snakemake's own lock is a file that stays when it is killed; the profiles switch it off (`nolock`).
"""

import sys
from pathlib import Path

from filelock import FileLock, Timeout

MEMORY = Path(".snakemake")
"""Where Snakemake keeps its notes; its folder is the one that the workflow runs in."""

_held: list[FileLock] = []


def hold_folder(memory: Path = MEMORY) -> None:
    """Keep other Snakemakes out of this folder for as long as this process lives, or leave if one is there.

    Where the file system has no locks, nobody is kept out; trainings still share their runs (`subtuning.runs.claims`).
    """
    lock = FileLock(memory / "subtuning.lock", fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        sys.exit("error: another Snakemake works in this folder; wait until it has finished, or end it")
    except OSError:
        return
    _held.append(lock)
