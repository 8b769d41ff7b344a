"""Steps of the workflow's tests: a small config and its data, calls of Snakemake, and what a dry run says."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from subtuning.tuning.tuning import Tuning

ROOT = Path(__file__).resolve().parents[2]
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]

LAYERS = ["stem", *(f"blocks.{number}" for number in range(6))]
"""The layers of timm's `test_vit` that a profile trains."""

CONFIG = {
    "tasks": {"cells": {"source": "arrays", "path": "cells.npz"}},
    "backbones": {"tiny": {"model": "test_vit", "weights": "random", "input_size": 32}},
    "recipe": {"epochs": 1, "batch_size": 20, "lr": 2e-3},
    "profile": {"folds": 2},
    "greedy": {"folds": 2, "max_rounds": 2, "stop": "epsilon"},
    "tune": {"lr": [1]},
    "evaluate": {"seeds": 2},
}


def changed(*paths_and_values: Any, config: dict[str, Any] = CONFIG) -> dict[str, Any]:
    """A copy of the config with other values: `changed("greedy.epsilon", 0.1, "evaluate.seeds", 3)`."""
    config = json.loads(json.dumps(config))
    for path, value in zip(paths_and_values[::2], paths_and_values[1::2], strict=True):
        *parents, last = path.split("/") if "/" in path else path.split(".")
        node = config
        for parent in parents:
            node = node.setdefault(parent, {})
        if value is None:
            del node[last]
        else:
            node[last] = value
    return config


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """`config/config.yaml`, as a user has it."""
    (folder / "config").mkdir(parents=True, exist_ok=True)
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def write_arrays(file: Path, count: int = 60, seed: int = 0, **replaced: Any) -> None:
    """An easy task: 8 x 8 noise with a brighter stripe, which is left, in the middle or right."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for part in ("train", "test"):
        labels = np.arange(count) % 3
        images = rng.integers(0, 120, (count, 8, 8))
        for image, label in zip(images, labels, strict=True):
            image[:, 3 * label : 3 * label + 2] += 100
        arrays |= {f"x_{part}": images.astype(np.uint8), f"y_{part}": labels}
    np.savez(file, **arrays | replaced)


def new_folder(folder: Path, config: dict[str, Any] = CONFIG) -> Path:
    """A folder to work in, with the config and the task's file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, config)
    write_arrays(folder / "cells.npz")
    return folder


def copy(folder: Path, to: Path) -> Path:
    """The same folder elsewhere, with modification times and Snakemake's memory of the past."""
    subprocess.run(["cp", "-a", folder, to], check=True)
    return to


def not_trained_yet(finished: Path, to: Path) -> Path:
    """A copy of a finished folder in which nothing is trained."""
    folder = copy(finished, to)
    subprocess.run(["rm", "-r", "results/runs", "results/cells", "results/tensorboard"], cwd=folder, check=True)
    return folder


@dataclass
class Result:
    """What a command left: its exit status and all it printed."""

    code: int
    output: str


def call(words: list[str], folder: Path, environment: dict[str, str]) -> Result:
    """Run a command to its end."""
    done = subprocess.run(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return Result(done.returncode, done.stdout)


def real_environment(**more: str) -> dict[str, str]:
    """What a user has who did not activate the environment: the package's commands are not on PATH."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SNAKEMAKE", "PYTEST"))}
    return kept | {"PYTHONPATH": str(ROOT)} | more


def counts(output: str) -> dict[str, int]:
    """The job-count table that Snakemake prints: rule -> number of jobs."""
    table = re.search(r"^Job stats:\n.*\n[- ]+\n((?:\S+ +\d+\n)+)", output, re.MULTILINE)
    return {name: int(count) for name, count in re.findall(r"^(\S+) +(\d+)$", table[1], re.MULTILINE)} if table else {}


@dataclass(frozen=True)
class Job:
    """A job that a dry run shows."""

    rule: str
    wildcards: str
    output: str
    reason: str


def jobs(output: str) -> list[Job]:
    """The jobs that a dry run lists."""
    found = []
    for block in re.split(r"^\[.*\]\n", output, flags=re.MULTILINE)[1:]:
        rule = re.match(r"(?:local)?rule (\w+):\n", block)
        if rule:
            keys = dict(re.findall(r"^    (\w+): (.*)$", block, re.MULTILINE))
            found.append(Job(rule[1], *(keys.get(key, "") for key in ("wildcards", "output", "reason"))))
    return found


def rules(output: str) -> Counter:
    """How many jobs of each rule a dry run lists, or a run has begun."""
    return Counter(
        re.findall(r"^[\d:]{8}  step \d+ of \d+: (\w+)", output, re.MULTILINE) or [job.rule for job in jobs(output)]
    )


def records(folder: Path) -> dict[str, dict[str, Any]]:
    """The store of a folder: id -> record. Every file in it must be whole."""
    return {file.stem: json.loads(file.read_text()) for file in (folder / "results" / "runs").glob("*/*.json")}


def what(record: dict[str, Any]) -> tuple[str, str, int | None, int]:
    """What a record is of: (layers, split, fold, seed)."""
    identity = record["identity"]
    name = str(Tuning.of_identity(identity))
    return name, identity["split"], identity["fold"], identity["seed"]


def new_runs(folder: Path, before: dict[str, Any]) -> set[tuple]:
    """What the records are of that a folder has and `before` has not; each must be of something else."""
    found = [what(record) for name, record in records(folder).items() if name not in before]
    assert len(found) == len(set(found)), "something was trained twice"
    return set(found)


Snakemake = Callable[..., Result]
