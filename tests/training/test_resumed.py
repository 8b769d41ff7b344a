"""Kill and resume: checkpoints, signals, and that a resumed training equals an undisturbed one."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from subtuning.training import runner
from subtuning.training.interrupt import Interrupt, Interrupted
from subtuning.training.runner import train_missing
from subtuning.tuning.tuning import Tuning
from tests.training.conftest import new_place, numbers, recipe_of, several

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("step", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("settings", [{"augmentation": "crop"}, {"optimizer": "sgd"}], ids=["adamw, crop", "sgd"])
def test_resumed_equals_uninterrupted(place, base, undisturbed, each_step, step, settings):
    """Stopped in the first epoch, at its end, in the second one, and in the very last step."""
    base = recipe_of(base, **settings)
    runs = several(base)
    each_step(lambda group: signal.raise_signal(signal.SIGTERM) if group.step == step - 1 else None)
    with pytest.raises(Interrupted) as stop:
        train_missing(runs, place)
    assert stop.value.signum == signal.SIGTERM
    assert not list(place.store)
    saved = [torch.load(path, weights_only=True) for path in place.checkpoints.folder.iterdir()]
    assert [state["step"] for state in saved] == [step] * 4
    steps = []
    each_step(lambda group: steps.append(group.step))
    assert train_missing(runs, place) == 4
    assert steps == list(range(step, 6))
    each_step(None)
    assert numbers(place, runs) == undisturbed(runs)
    assert not list(place.checkpoints.folder.iterdir())


def test_stopping_twice_changes_nothing(place, base, undisturbed, each_step):
    runs = several(base)
    for step in (1, 4):
        each_step(lambda group, step=step: signal.raise_signal(signal.SIGINT) if group.step == step else None)
        with pytest.raises(Interrupted, match="stopped by SIGINT"):
            train_missing(runs, place)
    each_step(None)
    train_missing(runs, place)
    assert numbers(place, runs) == undisturbed(runs)


def test_after_kill_9_the_last_saved_step_goes_on(place, base, undisturbed, each_step, monkeypatch):
    class Killed(BaseException):
        pass

    def kill(group):
        if group.step == 4:
            raise Killed

    runs = several(base)
    monkeypatch.setattr(runner, "SECONDS_BETWEEN_CHECKPOINTS", -1)
    each_step(kill)
    with pytest.raises(Killed):
        train_missing(runs, place)
    steps = []
    each_step(lambda group: steps.append(group.step))
    train_missing(runs, place)
    assert steps == [4, 5]
    each_step(None)
    assert numbers(place, runs) == undisturbed(runs)


def test_some_lanes_finished_before_the_kill_are_kept(place, base, undisturbed):
    """Killed between the records of one group: the others are trained anew or resumed, these are not touched."""
    runs = several(base)
    place.finished = lambda record, run: stop_after(2, seen, record)
    seen = []
    with pytest.raises(KeyboardInterrupt):
        train_missing(runs, place)
    assert len(list(place.store)) == 2
    place.finished = lambda record, run: seen.append(record)
    assert train_missing(runs, place) == 2
    for found, expected in zip(numbers(place, runs), undisturbed(runs), strict=True):
        assert found["metrics"] == pytest.approx(expected["metrics"], abs=1e-9)


def stop_after(count, seen, record):
    seen.append(record)
    if len(seen) == count:
        raise KeyboardInterrupt


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not really", None])
def test_a_damaged_checkpoint_is_ignored(place, base, undisturbed, each_step, damage):
    runs = several(base)
    each_step(lambda group: signal.raise_signal(signal.SIGTERM) if group.step == 2 else None)
    with pytest.raises(Interrupted):
        train_missing(runs, place)
    each_step(None)
    path = place.checkpoints.path(runs[1].id)
    path.write_bytes(path.read_bytes()[:-1000] if damage is None else damage)
    assert train_missing(runs, place) == 4
    for found, expected in zip(numbers(place, runs), undisturbed(runs), strict=True):
        assert found["metrics"] == pytest.approx(expected["metrics"], abs=1e-9)
    assert not list(place.checkpoints.folder.iterdir())


def test_a_checkpoint_is_written_whole_or_not_at_all(place, monkeypatch):
    place.checkpoints.save("run", {"step": 1})
    monkeypatch.setattr("os.fsync", disk_full)
    with pytest.raises(OSError, match="disk full"):
        place.checkpoints.save("run", {"step": 2})
    assert place.checkpoints.load("run", place.device) == {"step": 1}
    assert [path.name for path in place.checkpoints.folder.iterdir()] == ["run.pt"]
    place.checkpoints.remove("run")
    place.checkpoints.remove("run")
    assert place.checkpoints.load("run", place.device) is None


def disk_full(*_):
    raise OSError(errno.ENOSPC, "disk full")


def test_signals_are_noted_only_while_training():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        assert interrupt.signum is None
        signal.raise_signal(signal.SIGINT)
        assert interrupt.signum == signal.SIGINT
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


PROGRAM = """
import json, sys
from pathlib import Path
from subtuning.runs import Backbone, Run, Split
from subtuning.training.interrupt import Interrupted
from subtuning.training.loop import LaneGroup
from subtuning.training.runner import train_missing
from subtuning.tuning.tuning import Tuning
from tests.tiny import recipe
from tests.training.conftest import new_place

inputs, results = Path(sys.argv[1]), Path(sys.argv[2])
advance = LaneGroup.advance

def watched(group):
    print(group.step, flush=True)
    if group.step == 1:
        sys.stdin.readline()
    advance(group)

LaneGroup.advance = watched
place = new_place(inputs, json.loads((results / "layers.json").read_text()), results)
backbone = Backbone.of(place.layers)
runs = [Run(place.task.sha256, Split("val"), backbone, Tuning(s), recipe()) for s in [(), ("layer3.0",)]]
try:
    train_missing(runs, place)
except Interrupted as stop:
    sys.exit(128 + stop.signum)
"""


def test_sigterm_to_a_real_process_loses_nothing(inputs, layers, base, tmp_path, undisturbed, each_step):
    (tmp_path / "layers.json").write_text(json.dumps(layers))
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", PROGRAM, str(inputs), str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, **pipes) as process:
        assert process.stdout.readline() == "0\n"
        assert process.stdout.readline() == "1\n"
        process.send_signal(signal.SIGTERM)
        assert process.communicate("go on\n", timeout=120)[0] == "", "goes on after the step"
        assert process.returncode == 128 + signal.SIGTERM
    runs = [base.with_tuning(Tuning(())), base.with_tuning(Tuning(("layer3.0",)))]
    expected, steps = undisturbed(runs), []
    place = new_place(inputs, layers, tmp_path)
    assert place.store.missing(runs) == runs
    assert {path.stem for path in place.checkpoints.folder.iterdir()} == {run.id for run in runs}
    each_step(lambda group: steps.append(group.step))
    assert train_missing(runs, place) == 2
    assert steps == [2, 3, 4, 5]
    assert numbers(place, runs) == expected
