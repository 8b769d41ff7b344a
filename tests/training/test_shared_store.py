"""Another trainer on the same store: what it saved and finished meanwhile."""

import signal

import pytest

from subtuning.training import runner
from subtuning.training.interrupt import Interrupted
from subtuning.training.loop import LaneGroup
from subtuning.training.runner import train_missing
from subtuning.tuning.tuning import Tuning
from tests.training.conftest import new_place


def results(place, runs):
    return [(record["metrics"], record["curve"]) for record in place.store.require(runs)]


def stop_before(step):
    advance = LaneGroup.advance

    def wrapped(group):
        if group.step == step:
            signal.raise_signal(signal.SIGTERM)
        advance(group)

    return wrapped


@pytest.mark.parametrize("lost", ["gone", "of a later step"])
def test_checkpoints_that_changed_since_runs_were_grouped(place, base, inputs, layers, tmp_path, monkeypatch, lost):
    """Without file locks another trainer may finish a run, or save it again, at that moment. No lane may begin in the
    middle of the training with fresh weights, or go on from another step."""
    runs = [base, base.with_tuning(Tuning(("layer2.0",)))]
    undisturbed = new_place(inputs, layers, tmp_path / "undisturbed")
    train_missing(runs, undisturbed)
    for step, wanted in [(2, runs), (4, runs[:1])]:
        with monkeypatch.context() as patch:
            patch.setattr(LaneGroup, "advance", stop_before(step))
            with pytest.raises(Interrupted):
                train_missing(wanted, place)
    assert {place.checkpoints.load(run.id, place.device)["step"] for run in runs} == {3, 5}
    if lost == "gone":
        place.checkpoints.remove(runs[1].id)
    monkeypatch.setattr(runner, "lane_groups", lambda runs, *_: [list(runs)])
    train_missing(runs, place)
    assert results(place, runs) == results(undisturbed, runs)
