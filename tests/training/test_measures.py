"""What is measured beside the numbers: lane threads, stopwatches, TensorBoard curves."""

import threading

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from subtuning.runs import Split
from subtuning.training import stopwatch
from subtuning.training.scalars import scalars_folder, write_scalars
from subtuning.training.stopwatch import Stopwatch
from subtuning.training.threads import LaneThreads
from subtuning.tuning.tuning import FULL
from tests.tiny import CPU, make_run


@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_every_lane_is_called_once_and_waited_for(threads, lanes):
    done = []
    LaneThreads(CPU).each(done.append, range(lanes))
    assert sorted(done) == list(range(lanes))
    assert torch.get_num_threads() == threads, "the main thread keeps its own"


@pytest.mark.parametrize("cores", [1, 2, 3, 5])
def test_all_cores_work_each_on_one_thing(threads, cores):
    torch.set_num_threads(cores)
    seen, together = set(), threading.Barrier(cores)

    def work(_):
        together.wait(30)
        seen.add((threading.current_thread().name, torch.get_num_threads()))

    lane_threads = LaneThreads(CPU)
    assert lane_threads.parallel == (cores > 1)
    lane_threads.each(work, range(2 * cores))
    assert {count for _, count in seen} == {1}
    assert len(seen) == cores


def test_an_error_in_a_lane_is_raised(threads):
    def fail(item):
        if item == 1:
            raise ValueError("lane 1")

    with pytest.raises(ValueError, match="lane 1"):
        LaneThreads(CPU).each(fail, range(3))


def test_a_stopwatch_adds_up_and_takes_shares(monkeypatch):
    clock = iter([0.0, 2.0, 10.0, 13.0])
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: next(clock))
    shared, own = Stopwatch(CPU), Stopwatch(CPU, seconds=1.0)
    with shared:
        pass
    with own:
        pass
    own.add(shared, 0.25)
    assert shared.seconds() == 2.0
    assert own.seconds() == 1.0 + 3.0 + 0.5


def test_tensorboard_curves(tmp_path):
    curve = [{"epoch": e, "train_loss": 1.0 / e, "train_accuracy": e / 4, "lr": 0.5} for e in (1, 2)]
    run = make_run(("layer3.0", "layer4.0"), split=Split("cv", 5, 1), seed=2)
    write_scalars({"curve": curve, "metrics": {"accuracy": 0.75, "loss": 0.5, "n": 8}}, run, tmp_path)
    folder = tmp_path / "task" / "net" / "layer3.0+layer4.0" / f"fold2of5-seed2-{run.id[:6]}"
    events = EventAccumulator(str(folder)).Reload()
    assert [(e.step, e.value) for e in events.Scalars("train_loss")] == [(1, 1.0), (2, 0.5)]
    assert [(e.step, e.value) for e in events.Scalars("train_accuracy")] == [(1, 0.25), (2, 0.5)]
    assert [(e.step, e.value) for e in events.Scalars("scored/accuracy")] == [(2, 0.75)]
    write_scalars({"curve": [], "metrics": None}, make_run(seed=3), tmp_path)


def test_folders_of_curves_are_distinct_and_short(tmp_path):
    many = tuple(f"layers.{stage}.blocks.{block}" for stage in range(4) for block in range(9))
    runs = [make_run(many), make_run(many[:-1]), make_run(FULL), make_run(), make_run(seed=1)]
    folders = [scalars_folder(run, tmp_path) for run in runs]
    assert len(set(folders)) == len(runs)
    assert max(len(part) for folder in folders for part in folder.parts) < 130
    assert folders[2].relative_to(tmp_path).parts[:3] == ("task", "net", "full")
