"""TensorBoard's event files after interruptions: every run once, every epoch once."""

import signal

import pytest
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

from subtuning.training.interrupt import Interrupted
from subtuning.training.loop import LaneGroup
from subtuning.training.runner import train_missing
from subtuning.training.scalars import scalars_folder, write_scalars


def steps(folder):
    """Run -> tag -> the steps of its points, as TensorBoard reads them."""
    events = EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
    return {
        name: {tag: [event.step for event in events.Scalars(name, tag)] for tag in tags["scalars"]}
        for name, tags in events.Runs().items()
    }


EVERY_EPOCH = {tag: [1, 2] for tag in ("train_loss", "train_accuracy", "lr")}
EVERY_EPOCH |= {tag: [2] for tag in ("scored/accuracy", "scored/loss")}


@pytest.mark.parametrize("step", [1, 3, 5])
def test_an_interrupted_training_leaves_no_curve_and_a_resumed_one_a_whole_one(
    place, base, monkeypatch, tmp_path, step
):
    folder = tmp_path / "tensorboard"
    place.finished = lambda record, run: write_scalars(record, run, folder)
    runs = [base, base.with_seed(1)]
    advance = LaneGroup.advance

    def stopped(group):
        if group.step == step:
            signal.raise_signal(signal.SIGTERM)
        advance(group)

    monkeypatch.setattr(LaneGroup, "advance", stopped)
    with pytest.raises(Interrupted):
        train_missing(runs[:1], place)
    assert not folder.exists()
    monkeypatch.undo()
    assert train_missing(runs, place) == 2
    names = {str(scalars_folder(run, folder).relative_to(folder)) for run in runs}
    assert steps(folder) == dict.fromkeys(names, EVERY_EPOCH)


def test_a_run_that_is_written_twice_has_one_curve(base, tmp_path):
    curve = [{"epoch": epoch, "train_loss": 1.0, "train_accuracy": 0.5, "lr": 0.1} for epoch in (1, 2)]
    for _ in range(3):
        write_scalars({"curve": curve, "metrics": {"accuracy": 0.5, "loss": 1.0}}, base, tmp_path)
    assert list(steps(tmp_path).values()) == [EVERY_EPOCH]


def test_a_kill_while_a_curve_is_written_leaves_none_and_the_next_time_repairs_it(base, tmp_path, monkeypatch):
    record = {"curve": [], "metrics": {"accuracy": 0.5, "loss": 1.0}}
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write_scalars(record, base, tmp_path)
    assert not scalars_folder(base, tmp_path).exists()
    write_scalars(record, base, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [base.names[0]], "nothing partial is left for TensorBoard"
    assert len(steps(tmp_path)) == 1
