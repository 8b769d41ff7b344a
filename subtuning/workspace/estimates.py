"""How much of a config's training is left, and how long that takes here, from what `check-plan` measured. No torch."""

from collections.abc import Container, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from subtuning.config import Config
from subtuning.errors import UserError
from subtuning.search.study import Step, Study
from subtuning.workspace.forecast import Speed, forecast_study, seconds_of
from subtuning.workspace.paths import read_json
from subtuning.workspace.studies import StudyState, snapshot_of, studies_of

LONG = 15 * 60
"""Seconds from which a start says how long it takes."""

SLOW = Speed(2e10, 0.002, 0.05, "")
"""A slow laptop. What even that trains in less than `LONG`, the default job among them, is not measured."""

OUTPUTS = {"evaluation": "evaluation/runs.json", "profile/test": "profile_test.csv"}


def plan_of(steps: list[str], speed: Speed | None) -> dict[str, Any]:
    """The content of a pair's `plan.json`."""
    return {"steps": steps, "speed": asdict(speed) if speed else None}


@dataclass
class Left:
    """What of a config's training is left, as the forecast sees it.

    Attributes:
        seconds: of the runs that are not finished; `done`: of those that are.
        at_most: whether rounds of a greedy search are among them that it may not need.
        measured: whether all of it is at a speed that was measured here.
        unknown: of how many pairs of task and backbone nothing is known yet; they are not counted.
        device: what trains, where that was measured.
    """

    seconds: float = 0.0
    done: float = 0.0
    at_most: bool = False
    measured: bool = True
    unknown: int = 0
    device: str = ""


def what_is_left(
    config: Config, results: Path, needed: Container[str] | None = None, guess: Speed | None = None
) -> Left:
    """Forecast what is not finished.

    Args:
        needed: the files that the workflow makes; a step whose last one is not among them does not count. None: steps
            whose last file is there do not count.
        guess: the speed of pairs that take no quarter of an hour anywhere, and were not measured; None: they do not
            count.
    """
    left, known = Left(), set()
    for state in studies_of(config, results, snapshot_of(config, results)):
        if state.names in known:  # finished in two precisions
            continue
        known.add(state.names)
        folder = results.joinpath(*state.names)
        try:
            plan = read_json(folder / "plan.json", "snakemake")
        except UserError:
            plan = None
        if state.study is None or not isinstance(plan, dict):
            left.unknown += 1
            continue
        speed = Speed(**plan["speed"]) if plan.get("speed") else guess
        if speed:
            left.measured &= speed is not guess
            left.device = speed.device or left.device
            _add_pair(left, state, speed, {step for step in state.wanted if _is_open(folder / output_of(step), needed)})
    return left


def _is_open(file: Path, needed: Container[str] | None) -> bool:
    return not file.exists() if needed is None else str(file) in needed


def _add_pair(left: Left, state: StudyState, speed: Speed, steps: Container[str]) -> None:
    study = state.study
    assert study, "it is prepared"
    for step, seconds in forecast_study(study, state.counts, speed).items():
        if step in steps:
            left.seconds += seconds
            rounds = step.startswith("greedy/") and study.settings.get("search.effort") != "fast"
            left.at_most |= rounds and bool(state.wanted[step].later)
    runs = {run for wanted in state.wanted.values() for run in wanted.runs if study.get(run)}
    left.done += sum(seconds_of(run, study, state.counts, speed) for run in runs)


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
