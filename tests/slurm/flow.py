"""A workflow that runs through the cluster, and the diaries of its jobs."""

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.slurm.cluster import Cluster
from tests.workflow.snake import ROOT, real_environment

MEASURED = {"seconds", "search_seconds", "seconds: choose + train"}
"""Columns that tell how a run went, not what came out."""


@dataclass
class Diary:
    """What one `subtuning` command did; of a training, `verb` is the step's name."""

    verb: str
    shard: str | None
    gpu: str | None
    slurm: dict[str, str]
    begin: float
    end: float | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)

    @property
    def job(self) -> int | None:
        """The number of the SLURM job that the command ran in."""
        return int(self.slurm["job"]) if self.slurm else None


class Flow:
    """`snakemake` with profiles/slurm in a folder; `words` are added to its command line."""

    def __init__(self, cluster: Cluster, folder: Path, *words: str, **environment: str):
        self.folder, self.output_file = folder, folder / "output.txt"
        self.diary_folder = folder / "diary"
        self.diary_folder.mkdir(exist_ok=True)
        bin_folder = folder / "bin"
        bin_folder.mkdir(exist_ok=True)
        command = bin_folder / "subtuning"
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m tests.slurm.watched "$@"\n')
        command.chmod(0o755)
        path = f"{bin_folder}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{cluster.environment['PATH']}"
        environment = cluster.environment | {"PATH": path, "DIARY": str(self.diary_folder)} | environment
        call = [sys.executable, "-m", "tests.slurm.launch", "--snakefile", str(ROOT / "Snakefile")]
        call += ["--workflow-profile", str(ROOT / "profiles" / "slurm")]
        call += ["--slurm-init-seconds-before-status-checks", "1", *words]
        with self.output_file.open("a") as out:
            self.process = subprocess.Popen(
                call, cwd=folder, env=real_environment(**environment), stdout=out, stderr=out, start_new_session=True
            )

    @property
    def output(self) -> str:
        """What Snakemake has printed so far."""
        return self.output_file.read_text()

    def finish(self, seconds: float = 400) -> str:
        """Wait for the end, which must be a good one, and return the output."""
        code = self.process.wait(seconds)
        assert code == 0, self.output
        return self.output

    def kill(self) -> None:
        """For the end of a test that failed."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def diaries(self) -> list[Diary]:
        """Of all commands so far, in the order in which they began."""
        found = []
        for file in self.diary_folder.iterdir():
            lines = [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]
            if not lines:
                continue
            begin, *rest = lines
            diary = Diary(begin["verb"], begin["shard"], begin["gpu"], begin["slurm"], begin["time"])
            diary.steps = [line for line in rest if line["event"] == "step"]
            diary.finished = [line["run"] for line in rest if line["event"] == "finished"]
            diary.end = next((line["time"] for line in rest if line["event"] == "end"), None)
            found.append(diary)
        return sorted(found, key=lambda diary: diary.begin)


def numbers(file: Path) -> list[dict[str, str]]:
    """A table's cells as they are written, less the columns of times and memory."""
    with file.open(newline="") as lines:
        return [{k: v for k, v in row.items() if k not in MEASURED} for row in csv.DictReader(lines)]
