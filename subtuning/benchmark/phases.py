"""Where the time of a training job goes: one step trained in a new process, whose parts are watched."""

import multiprocessing
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from subtuning.errors import UserError
from subtuning.search.steps import step_named
from subtuning.workspace.pair import Pair
from subtuning.workspace.paths import Results
from subtuning.workspace.steps import train_step
from subtuning.workspace.trainings import Machine

WATCHED = {
    "subtuning.training.runner:load_trunk": "trace",
    "subtuning.training.runner:Trainer._open": "data",
    "subtuning.training.runner:LaneGroup": "training",
    "subtuning.training.loop:LaneGroup.advance": "training",
    "subtuning.training.runner:score": "scoring",
    "subtuning.training.runner:_Training._record": "records",
}
"""Module and function -> the phase that it is. `data`: images, and the frozen network's kept values; `training` is that
of the lanes."""

PHASES = ("start", "imports", *dict.fromkeys(WATCHED.values()), "rest")


def phases(pair: Pair, name: str, settings: dict[str, Any], machine: Machine, repeats: int) -> list[dict[str, Any]]:
    """Seconds of each phase of a step's job, as if none of its runs were finished: one row a phase, medians.

    `seconds` are those of the clock, and `cpu_s` those of all cores, which other programs on the machine change little;
    `share %` is of the latter. `start` is a Python that is new, `imports` torch and what trains, `rest` all that is not
    watched. Where threads are in several phases at once, each has its share of that time, so that they add up.

    Raises:
        UserError: the step is not finished, so that it cannot be told from which runs it starts.
    """
    found = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            _without(pair, name, settings, Path(folder))
            copy = Pair(Path(folder), pair.names, pair.recipe)
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                found.append(pool.submit(_watch, time.time(), copy, name, settings, machine).result())
    middle = {phase: [median(one[clock][phase] for one in found) for clock in (0, 1)] for phase in PHASES}
    total = sum(cpu for _, cpu in middle.values())
    return [
        {"step": name, "phase": phase, "seconds": round(seconds, 2), "cpu_s": round(cpu, 2)}
        | {"share %": round(100 * cpu / total, 1), "n": repeats}
        for phase, (seconds, cpu) in middle.items()
    ]


def _without(pair: Pair, name: str, settings: dict[str, Any], folder: Path) -> None:
    """Copy results without the step's own runs; those that steps before it ask for, too, stay."""
    step = step_named(name, settings)
    study = pair.study(step, settings)
    wanted = step.wanted(study)
    if wanted.later or study.records(wanted.runs) is None:
        raise UserError(f"the step {name} of {'/'.join(pair.names)} is not finished; train it first")
    before, names = set(), list(step.after)
    while names:
        one = step_named(names.pop(), settings)
        before |= set(one.wanted(study).runs)
        names += one.after
    shutil.copytree(pair.store.folder, folder / "runs")
    for part in ("tasks", "backbones"):
        (folder / part).symlink_to((pair.results / part).resolve())
    store = Results(folder).store
    for run in set(wanted.runs) - before:
        store.path(run.id).unlink()


def _watch(begun: float, pair: Pair, name: str, settings: dict[str, Any], machine: Machine) -> list[dict[str, float]]:
    """Train the step in this process, which is new; seconds of the clock, and of all cores."""
    started = now()
    for place in WATCHED:
        import_module(place.partition(":")[0])
    imported = now()
    watch = Watch()
    for place, phase in WATCHED.items():
        module, _, path = place.partition(":")
        *owner, last = path.split(".")
        holder = getattr(import_module(module), owner[0]) if owner else import_module(module)
        if last[0].isupper():  # a class, whose making counts
            holder, last = getattr(holder, last), "__init__"
        setattr(holder, last, watch.timed(phase, getattr(holder, last)))
    train_step(pair, name, settings, machine)
    marks = zip((begun, 0.0), started, imported, now(), strict=True)
    return [_phases(*times, watch.seconds(clock)) for clock, times in enumerate(marks)]


def _phases(begun: float, started: float, imported: float, ended: float, watched: dict[str, float]) -> dict[str, float]:
    found = {"start": started - begun, "imports": imported - started} | watched
    return {phase: found.get(phase, 0.0) for phase in PHASES[:-1]} | {"rest": ended - begun - sum(found.values())}


def now() -> tuple[float, float]:
    """Seconds of the clock, and those that all threads of this process have computed."""
    return time.time(), time.process_time()


class Watch:
    """Notes when threads enter and leave phases."""

    def __init__(self) -> None:
        self.events: list[tuple[tuple[float, float], str, int]] = []
        self.lock = threading.Lock()

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, which enters the phase when it is called."""

        def watched(*args: Any, **rest: Any) -> Any:
            self._note(phase, 1)
            try:
                return function(*args, **rest)
            finally:
                self._note(phase, -1)

        return watched

    def _note(self, phase: str, change: int) -> None:
        with self.lock:
            self.events.append((now(), phase, change))

    def seconds(self, clock: int) -> dict[str, float]:
        """Phase -> its seconds by one of the two clocks of `now`, those of several phases divided among them."""
        return divide([(times[clock], phase, change) for times, phase, change in self.events])


def divide(events: Sequence[tuple[float, str, int]]) -> dict[str, float]:
    """Seconds of each phase from (time, phase, 1 for entering or -1 for leaving), in the order of time."""
    inside: dict[str, int] = {}
    found: dict[str, float] = {}
    last = 0.0
    for time_, phase, change in events:
        count = sum(inside.values())
        for own, threads in inside.items():
            found[own] = found.get(own, 0.0) + (time_ - last) * threads / count if count else found.get(own, 0.0)
        inside[phase] = inside.get(phase, 0) + change
        last = time_
    return found
