"""Who trains what: a run in training is claimed by its trainer, so that two of them never train the same one.

A claim is an empty file in a folder such as `results/claims`, locked by the operating system for as long as its holder
lives. Nobody can leave a stale one behind: a trainer that is killed loses its locks with its life.
"""

import errno
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from subtuning.runs.identity import Run
from subtuning.runs.store import Store

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
"""How file systems say that they have no file locks (some NFS mounts, some FUSE ones)."""

SECONDS_OF_LIFE = 150
"""A training saves its state every minute. Where file locks do not reach (some network file systems), a claimed run
whose state is younger than this counts as being trained; so after `kill -9` it may do so for as long."""


class Claims:
    """The claims of one trainer on the runs of a store; leaving the ``with`` block gives all of them back."""

    def __init__(self, store: Store):
        self.store, self.folder = store, store.folder.with_name("claims")
        self._held: dict[str, Any] = {}
        self._told: set[str] = set()

    def __enter__(self) -> "Claims":
        return self

    def __exit__(self, *error: object) -> None:
        self._release()

    def shares(self, groups: Sequence[Sequence[Run]], pause: Callable[[], None]) -> Iterator[list[Run]]:
        """Yield what this trainer is to train: of one group after the other, the runs that nobody else holds.

        What others hold comes last: it is left out once it is finished, and yielded when its holder died or gave up.
        What is yielded is claimed until the next is asked for, and was missing in the store when it was claimed.

        Args:
            pause: called while everything that is left is in other hands; waits a moment, or raises to end the wait.
        """
        left = [list(group) for group in groups]
        while left:
            waiting = []
            for group in left:
                mine = self._take(group)
                wanted = self.store.missing(mine)
                if wanted:
                    yield wanted
                self._release()
                waiting.append([run for run in group if run not in mine])
            left = [runs for group in waiting if (runs := self.store.missing(group))]
            if left:
                count = sum(map(len, left))
                self._tell(f"waiting for another process, which trains {count} of the runs wanted here")
                pause()

    def _take(self, runs: Sequence[Run]) -> list[Run]:
        """Those of the runs that nobody else holds; they are claimed, or unclaimed where there are no locks."""
        self.folder.mkdir(parents=True, exist_ok=True)
        mine = []
        for run in runs:
            try:
                lock = _lock(self.folder, run.id)
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
                self._tell(
                    f"{self.folder} is on a file system without file locks: two trainings at once may train the same "
                    "runs twice, which changes no result"
                )
            else:
                if lock is None:
                    continue
                self._held[run.id] = lock
            mine.append(run)
        return mine

    def _release(self) -> None:
        while self._held:
            run_id, lock = self._held.popitem()
            (self.folder / f"{run_id}.lock").unlink(missing_ok=True)  # while it is locked: the file is this lock's own
            lock.release()

    def _tell(self, sentence: str) -> None:
        what = sentence.partition(",")[0]
        if what not in self._told:
            self._told.add(what)
            print(sentence, file=sys.stderr)


def running(results: Path) -> set[str]:
    """The ids of the runs that some process is training in a folder such as `results`, as far as it shows them."""
    locked = held(results / "claims")
    unlocked = {file.stem for file in (results / "claims").glob("*.lock")} - locked
    now = time.time()
    return locked | {run_id for run_id in unlocked if now - _saved_at(results, run_id) < SECONDS_OF_LIFE}


def _saved_at(results: Path, run_id: str) -> float:
    try:
        return (results / "checkpoints" / f"{run_id}.pt").stat().st_mtime
    except OSError:
        return 0.0


def held(folder: Path) -> set[str]:
    """The ids of the runs in a folder such as `results/claims` that a living process is training."""
    return {path.stem for path in folder.glob("*.lock") if _is_locked(folder, path.stem)}


def _is_locked(folder: Path, run_id: str) -> bool:
    try:
        lock = _lock(folder, run_id)
    except OSError as error:
        if error.errno in {*NO_LOCKS, errno.EACCES, errno.EPERM, errno.EROFS}:
            return False
        raise
    if lock:
        lock.release()
    return lock is None


def _lock(folder: Path, run_id: str) -> Any:
    """The claim on a run as a held lock, None where somebody else holds it. Raises `OSError` where there are none."""
    from filelock import FileLock, Timeout  # on first use: most commands start without a claim to look at

    # A soft lock, the fallback where flock is not there, would outlive a trainer that is killed.
    lock = FileLock(folder / f"{run_id}.lock", fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock
