"""E: how long commands take that have nothing to train."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from subtuning.errors import UserError


def idle_commands(config: str, vtab: str) -> dict[str, tuple[list[str], float]]:
    """Name -> a command, and the seconds that it should stay below on a quiet machine."""
    snakemake = [str(Path(sys.executable).parent / "snakemake"), "--cores", "1"]
    train = [sys.executable, "-m", "subtuning", "train", "--task", "digits", "--backbone", "efficientnet_lite0"]
    return {
        "subtuning train, nothing to train": ([*train, "--config", config, "--layers", "linear"], 0.5),
        "snakemake -n of the VTAB config": ([*snakemake, "-n", "--configfile", vtab], 10.0),
        "snakemake again, nothing to do": ([*snakemake, "--configfile", config], 5.0),
    }


def idle(config: str, vtab: str, repeats: int) -> list[dict[str, Any]]:
    """Seconds of each command, and the same less an idle Python's, each measured in turn.

    Raises:
        UserError: a command fails, as it does before the workflow has run once.
    """
    rows = []
    for command_name, (command, aim) in idle_commands(config, vtab).items():
        _seconds(command)  # trains, the first time
        pairs = [(_seconds(command), _seconds([sys.executable, "-c", "pass"])) for _ in range(repeats)]
        ours, python = (statistics.median(column) for column in zip(*pairs, strict=True))
        seconds = {"seconds": ours, "least": min(seconds for seconds, _ in pairs), "python_s": python}
        row = {name: round(value, 3) for name, value in seconds.items()}
        rows.append({"benchmark": "E start", "command": command_name} | row | {"aim_s": aim, "n": repeats})
    return rows


def _seconds(command: list[str]) -> float:
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    if done.returncode:
        raise UserError(f"{' '.join(command[:4])} ... failed; run the workflow once first: {done.stderr[-300:]}")
    return time.perf_counter() - begun
