"""Lanes whose loss is no number any more."""

import pytest
import torch

from subtuning.training import runner
from subtuning.training.loop import LaneGroup
from subtuning.training.runner import train_missing
from tests.training.conftest import SUBSETS, numbers, several


@pytest.fixture
def poisoned(monkeypatch):
    """Makes the head of the lanes of one subset begin with a NaN."""
    new_lane = LaneGroup._new_lane

    def use(*subsets):
        def poisoned_lane(group, run, *sizes):
            state = new_lane(group, run, *sizes)
            if run.tuning.layers in subsets:
                with torch.no_grad():
                    next(state.lane.head.parameters())[0, 0] = float("nan")
            return state

        monkeypatch.setattr(LaneGroup, "_new_lane", poisoned_lane)

    return use


def test_a_lane_that_diverges_is_recorded_and_others_go_on(place, base, undisturbed, poisoned):
    runs = several(base)
    expected = undisturbed(runs)
    poisoned(("layer2.0",))
    train_missing(runs, place)
    found = numbers(place, runs)
    bad = found.pop(1)
    assert (bad["status"], bad["metrics"], bad["curve"]) == ("diverged", None, [])
    del expected[1]
    for one, other in zip(found, expected, strict=True):
        assert one["status"] == "done"
        assert one["metrics"] == pytest.approx(other["metrics"], abs=1e-9)
    assert not place.store.missing(runs)


def test_when_all_lanes_diverge_training_ends(place, base, poisoned, each_step):
    poisoned(*SUBSETS)
    steps = []
    each_step(lambda group: steps.append(group.step))
    train_missing(several(base), place)
    assert steps == [0, 1, 2], "the first epoch"
    assert {record["status"] for record in place.store} == {"diverged"}


def test_a_loss_that_is_only_found_in_scoring_counts_as_diverged(place, base, monkeypatch):
    score = runner.score

    def spoilt(group, *images, **others):
        with torch.no_grad():
            next(group.lanes[0].lane.head.parameters()).fill_(float("inf"))
        return score(group, *images, **others)

    monkeypatch.setattr(runner, "score", spoilt)
    train_missing(several(base)[:2], place)
    records = place.store.require(several(base)[:2])
    assert [record["status"] for record in records] == ["diverged", "done"]
    assert records[0]["metrics"] is None


def test_a_diverged_lane_and_memory_that_runs_out_later(place, base, undisturbed, poisoned, each_step, monkeypatch):
    """The halves must not go on from one lane's checkpoint with another lane's fresh weights."""
    runs = several(base)
    expected = undisturbed(runs)
    monkeypatch.setattr(runner, "SECONDS_BETWEEN_CHECKPOINTS", -1)

    def lose(group):
        if len(group.lanes) == 4 and group.step == 4:
            place.checkpoints.remove(runs[1].id)
            raise torch.OutOfMemoryError

    each_step(lose)
    train_missing(runs, place)
    for found, other in zip(numbers(place, runs), expected, strict=True):
        assert found["metrics"] == pytest.approx(other["metrics"], abs=1e-9)
