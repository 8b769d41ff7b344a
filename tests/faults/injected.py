"""Faults that a forked command does to itself before it begins: `INJECTED_FAULTS='[["kill_at_event", 7]]'`."""

import errno
import fcntl
import itertools
import json
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any


def inject(faults: list[list[Any]]) -> None:
    """Call each of the functions below with its arguments; all but `note_pid` only in `subtuning`, not in Snakemake."""
    for name, *arguments in faults:
        if name == "note_pid" or sys.argv[0] == "subtuning":
            globals()[name](*arguments)


def note_pid(folder: str) -> None:
    """Leave a file `<folder>/<command>.<number of this process>.pid`."""
    if sys.argv[1:2] != ["check-plan"]:  # which has ended before anything is trained
        (Path(folder) / f"{sys.argv[0]}.{os.getpid()}.pid").touch()


def kill_at_event(number: int) -> None:
    """SIGKILL to itself at the `number`-th time that it opens for writing, moves or deletes a file of the results."""
    left = number

    def watch(event: str, arguments: tuple) -> None:
        nonlocal left
        writes = event in ("os.rename", "os.remove") or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if writes and "results" in str(arguments[0]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def log_trainings(file: str) -> None:
    """Append the id of every run whose record this process writes."""
    from subtuning.runs.store import Store

    add = Store.add

    def logged(store, run, result):
        with Path(file).open("a") as log:
            log.write(f"{run.id}\n")
        return add(store, run, result)

    Store.add = logged


def count_opened(file: str) -> None:
    """Write at the end how often each record was opened for reading: {run id: times}."""
    counts: Counter = Counter()

    def watch(event: str, arguments: tuple) -> None:
        if event == "open" and "results/runs/" in str(arguments[0]) and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            counts[Path(arguments[0]).stem] += 1

    sys.addaudithook(watch)
    os_exit = os._exit

    def leave(code):
        Path(file).write_text(json.dumps(counts))
        os_exit(code)

    os._exit = leave


def checkpoint_every_step() -> None:
    """Save the state after every step, not once a minute."""
    from subtuning.training import runner

    runner.SECONDS_BETWEEN_CHECKPOINTS = -1


def before_each_step(function) -> None:
    """Let the training loop call `function(group)` before each step."""
    from subtuning.training.loop import LaneGroup

    advance = LaneGroup.advance

    def wrapped(group):
        function(group)
        advance(group)

    LaneGroup.advance = wrapped


def kill_before_step(number: int) -> None:
    """SIGKILL to itself before the `number`-th step of all groups together."""
    steps = itertools.count(1)

    def kill(group):
        if next(steps) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    before_each_step(kill)


def wait_for(file: str) -> None:
    """Stop before every step until there is this file."""

    def wait(group):
        Path(f"{file}.reached").touch()
        for _ in range(6000):
            if Path(file).exists():
                return
            time.sleep(0.02)
        os._exit(1)  # the test has ended long ago

    before_each_step(wait)


def run_out_of_memory(kind: str, step: int, lanes: int) -> None:
    """Before that step, with more than so many lanes: the GPU's error, or more memory than the machine can address."""
    import torch

    def exhaust(group):
        if group.step == step and len(group.lanes) > lanes:
            if kind == "gpu":
                raise torch.OutOfMemoryError("CUDA out of memory.")
            torch.empty(1 << 60, dtype=torch.uint8)

    before_each_step(exhaust)


def poison(layer: str) -> None:
    """A NaN in the head of every run that trains this layer alone."""
    import torch

    from subtuning.training.loop import LaneGroup

    new_lane = LaneGroup._new_lane

    def poisoned(group, run, *sizes):
        state = new_lane(group, run, *sizes)
        if run.tuning.layers == (layer,):
            with torch.no_grad():
                next(state.lane.head.parameters())[0, 0] = float("nan")
        return state

    LaneGroup._new_lane = poisoned


def jumping_clock() -> None:
    """All clocks that Python code reads jump back and forth by up to thirty years, and sometimes stand still."""
    rng, standing = random.Random(0), {}
    for name in ("time", "monotonic", "perf_counter"):
        true = getattr(time, name)

        def jumping(name=name, true=true):
            if name not in standing or rng.random() < 0.7:
                standing[name] = true() + rng.uniform(-1e9, 1e9)
            return standing[name]

        setattr(time, name, jumping)


def no_file_locks() -> None:
    """As on a network file system that is mounted without locks."""

    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    fcntl.flock = flock


def files_no_larger_than(size: int) -> None:
    """The system's limit for the size of a file (`ulimit -f`), in bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
