"""Which runs are being trained at this moment, as far as the results folder shows it."""

import time
from pathlib import Path

SECONDS_OF_LIFE = 150
"""A training saves its state every minute. Where file locks do not reach (some network file systems), a claimed run
whose state is younger than this counts as being trained; so after `kill -9` it may do so for as long."""


def running(results: Path) -> set[str]:
    """The ids of the runs that some process is training in a folder such as `results`."""
    claims = results / "claims"
    claimed = {file.stem for file in claims.glob("*.lock")}
    if not claimed:
        return set()
    from subtuning.runs.claims import held

    unlocked = claimed - (locked := held(claims))
    now = time.time()
    return locked | {run_id for run_id in unlocked if now - _saved_at(results, run_id) < SECONDS_OF_LIFE}


def _saved_at(results: Path, run_id: str) -> float:
    try:
        return (results / "checkpoints" / f"{run_id}.pt").stat().st_mtime
    except OSError:
        return 0.0
