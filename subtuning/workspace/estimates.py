"""How much of a config's training is left, and how long that takes here, from what `check-plan` measured. No torch."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

from subtuning.config import Config
from subtuning.errors import UserError
from subtuning.search.study import Step, Study
from subtuning.workspace.forecast import Speed, forecast
from subtuning.workspace.paths import read_json
from subtuning.workspace.prepared import prepared_backbone, prepared_task

LONG = 15 * 60
"""Seconds from which a start says how long it takes."""

SLOW = Speed(2e10, 0.002, 0.05, "")
"""A slow laptop. What even that trains in less than `LONG`, the default job among them, is not measured."""

OUTPUTS = {"evaluation": "evaluation/runs.json", "profile/test": "profile_test.csv"}


def plan_of(steps: list[str], speed: Speed | None) -> dict[str, Any]:
    """The content of a pair's `plan.json`."""
    return {"steps": steps, "speed": asdict(speed) if speed else None}


def seconds_left(config: Config, results: Path) -> tuple[float, int, str]:
    """Seconds of the steps that are not concluded, of how many pairs nothing is known yet, and what trains.

    Of pairs that take no quarter of an hour anywhere, nothing counts.
    """
    total, unknown, device = 0.0, 0, ""
    tasks = {name: prepared_task(config, name, results) for name in config.tasks}
    backbones = {name: prepared_backbone(config, name, results) for name in config.backbones}
    for task, facts in tasks.items():
        for backbone, layers in backbones.items():
            folder = results / task / backbone
            try:
                plan = read_json(folder / "plan.json", "snakemake")
            except UserError:
                plan = None
            if facts is None or layers is None or not isinstance(plan, dict):
                unknown += 1
            elif plan.get("speed"):
                speed = Speed(**plan["speed"])
                total += _of_pair(config, (task, backbone), layers, facts["counts"], speed, folder)
                device = speed.device
    return total, unknown, device


def _of_pair(
    config: Config, pair: tuple[str, str], layers: dict[str, Any], counts: Mapping[str, int], speed: Speed, folder: Path
) -> float:
    found = forecast(config, pair, layers, counts, speed)
    return sum(seconds for step, seconds in found.items() if not (folder / output_of(step)).exists())


def models_size(study: Study, steps: Iterable[Step]) -> int:
    """Bytes of the trained tensors that evaluation runs leave, four a parameter; of runs that are not known yet, as
    many as a layer has on average."""
    if not study.settings.get("evaluate.models"):
        return 0
    rows = {row["name"]: row["parameters"] for row in study.layers["layers"]}
    wanted = [step.wanted(study) for step in steps if step.name == "evaluation"]
    trained = [sum(rows[name] for name in run.tuning.of([*rows])) for own in wanted for run in own.runs]
    later = sum(len(own.later) for own in wanted)
    return 4 * round(sum(trained) + later * mean(rows.values()))


def output_of(step: str) -> str:
    """What the workflow makes last of a step, below the folder of its pair."""
    first, *rest = step.split("/")
    return OUTPUTS.get(step) or (f"{first}/{rest[0]}/round{rest[1]}.json" if len(rest) == 2 else f"{first}.csv")
