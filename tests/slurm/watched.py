"""`subtuning` as the jobs of these tests run it: the real one, which also keeps a diary.

DIARY       folder of the diaries, one file of JSON lines a process: begin, step, finished, end
TOGETHER    how many trainings of the profile wait for each other before they begin
SLOW        while this file exists, a step of the second fold takes two seconds
WARM        if given, the warm command (tests/workflow/warm.py) that does the work, for flows that kill nothing
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from subtuning.cli import main
from tests.slurm.cluster import wait_for

DIARY = Path(os.environ.get("DIARY", "no folder"))


def note(event: str, **values: Any) -> None:
    """Add a line to this process's diary."""
    with (DIARY / f"{os.getpid()}-{START}.jsonl").open("a") as file:
        file.write(json.dumps({"event": event, "time": time.monotonic(), **values}) + "\n")


def watch_training() -> None:
    """Note every step that lanes train, and every record; be slow where that is wanted."""
    from subtuning.runs import Store
    from subtuning.training.loop import LaneGroup

    advance, add = LaneGroup.advance, Store.add

    def watched_advance(group: LaneGroup) -> None:
        runs = [state.run for state in group.lanes]
        if runs[0].split.fold == 1 and Path(os.environ.get("SLOW", "no file")).exists():
            time.sleep(2)
        step = group.step
        advance(group)
        note("step", step=step, fold=runs[0].split.fold, runs=[run.id for run in runs])

    def watched_add(store: Store, run: Any, result: dict) -> dict:
        record = add(store, run, result)
        note("finished", run=run.id)
        return record

    LaneGroup.advance, Store.add = watched_advance, watched_add


def others_have_begun() -> bool:
    """Whether so many processes as were wanted have a diary that begins like mine."""
    first_lines = [file.read_text().partition("\n")[0] for file in DIARY.iterdir()]
    return sum('"verb": "profile"' in line for line in first_lines) >= int(os.environ["TOGETHER"])


def work() -> int:
    """What `subtuning` does."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the ids are pretended
    if "WARM" in os.environ:
        return subprocess.call([os.environ["WARM"], *sys.argv[1:]])
    if sys.argv[1] == "train-step":
        watch_training()
    return main()


def slurm_job() -> dict[str, str]:
    """Number and GPU of the SLURM job that this runs in, as SLURM tells; empty outside of one."""
    if "SLURM_JOB_ID" not in os.environ:
        return {}
    number = os.environ["SLURM_JOB_ID"]
    known = subprocess.run(["scontrol", "show", "job", "-d", number], capture_output=True, text=True, check=True)
    gpu = re.search(r"GRES=gpu:1\(IDX:(\d+)\)", known.stdout)
    return {"job": number, "given": gpu[1] if gpu else ""}


if __name__ == "__main__":
    START = time.monotonic_ns()
    verb = sys.argv[2] if sys.argv[1] == "train-step" else sys.argv[1]
    shard = sys.argv[sys.argv.index("--shard") + 1] if "--shard" in sys.argv else None
    note("begin", verb=verb, shard=shard, gpu=os.environ.get("CUDA_VISIBLE_DEVICES"), slurm=slurm_job())
    if verb == "profile" and "TOGETHER" in os.environ:
        wait_for(others_have_begun, "all profile jobs have begun")
    try:
        sys.exit(work())
    finally:
        note("end")
