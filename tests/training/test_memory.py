"""The plan for memory, and what happens when it runs out all the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from subtuning.errors import UserError
from subtuning.training import memory, schedule
from subtuning.training.loop import LaneGroup
from subtuning.training.memory import Need, fit
from subtuning.training.runner import train_missing
from subtuning.tuning.lane import Lane, cut_of
from subtuning.tuning.precision import low_type
from subtuning.tuning.tuning import FULL, Tuning
from tests.tiny import CLASSES, CPU, images, make_run, shaken_network, shaken_trunk
from tests.training.conftest import numbers, several

NEED = Need(states=(10, 20, 30, 40), activations=100, values=50, cache=1000)
"""Two groups: 200 of states, two workers: 200, kept 1000 or else 4 x 50."""


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (1400, (2, 4, CPU, 1400)),
        (1399, (1, 4, CPU, 1300)),
        (1299, (2, 4, None, 600)),
        (599, (1, 4, None, 400)),
        (399, (1, 2, None, 370)),
        (369, (1, 1, None, 240)),
        (1, (1, 1, None, 240)),
    ],
)
def test_the_plan_takes_the_best_that_fits(monkeypatch, free, expected):
    monkeypatch.setattr(memory, "SHARE", 1)
    found = fit(NEED, 2, 2, CPU, free)
    assert (found.groups, found.lanes, found.storage, found.bytes) == expected


def test_an_estimate_counts_states_activations_and_values():
    trunk = shaken_trunk("test_resnet")
    features = shaken_network("test_resnet").num_features
    runs = [make_run(()), make_run(("layer4.0",)), make_run(FULL)]
    need = memory.estimate(trunk, runs, images(40), CLASSES, features)
    alone = {memory.kind_of(run): memory.estimate(trunk, [run], images(40), CLASSES, features).lanes for run in runs}
    assert need.lanes == {kind: lanes[kind] for kind, lanes in alone.items()}, "a method's memory is its own"
    assert need.lanes[memory.kind_of(make_run())] == min(need.lanes.values())
    head = 8 * (features * CLASSES + CLASSES)
    last, everything = (
        8 * sum(p.numel() for s in trunk.original if name in (s.name, FULL) for p in s.module.parameters())
        for name in ("layer4.0", FULL)
    )
    assert need.states == (4 * head, 4 * (head + last), 4 * (head + everything))
    twice = memory.estimate(trunk, [make_run(r.tuning, batch_size=16) for r in runs], images(40), CLASSES, features)
    assert 1.9 < twice.activations / need.activations < 2, "BatchNorm keeps a little that does not grow with the batch"
    assert twice.values == 2 * need.values
    assert need.cache == 40 * need.values // 8
    with torch.no_grad():
        at = trunk.values_at(images(40).batch(np.arange(1))[0], [cut_of(run.tuning, trunk) for run in runs])
    distinct = {name: value.numel() * 8 for values in at.values() for name, value in values.items()}
    assert need.values == 8 * sum(distinct.values())
    sgd = memory.estimate(trunk, [make_run((), optimizer="sgd")], images(40), CLASSES, features)
    assert sgd.states == (3 * head,)
    assert memory.estimate(trunk, [make_run((), augmentation="flip")], images(40), CLASSES, features).cache is None


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_estimate_from_few_images_is_what_a_whole_batch_needs(precision):
    """With bf16 also the copies of weights that autocast makes, once a lane and not once an image."""
    trunk = shaken_trunk("test_resnet").to(CPU, torch.float32).in_precision(low_type(precision))
    features, some = shaken_network("test_resnet").num_features, replace(images(40), dtype=torch.float32)
    for subset in (("layer4.0",), FULL):
        need = memory.estimate(trunk, [make_run(subset, precision=precision)], some, CLASSES, features)
        pixels, labels = some.batch(np.arange(8))
        lane = Lane(trunk, Tuning(subset), torch.nn.Linear(features, CLASSES)).train()
        with torch.no_grad():
            values = trunk.values_at(pixels, [lane.cut])[lane.cut]
        assert need.activations == memory._saved_bytes(lane, values, labels)


def test_a_limit_of_the_scheduler_counts(tmp_path):
    own = tmp_path / "own"
    own.write_text("1:name=x:/y\n0::/job/step\n")
    folder = tmp_path / "fs" / "job" / "step"
    folder.mkdir(parents=True)
    (folder / "memory.max").write_text("max\n")
    (folder / "memory.current").write_text("5\n")
    (folder.parent / "memory.max").write_text("1000\n")
    (folder.parent / "memory.current").write_text("400\n")
    assert memory._cgroup_memory(tmp_path / "fs", own) == [600]
    assert memory._cgroup_memory(tmp_path / "fs", tmp_path / "none") == []
    assert memory.available_memory(CPU) > 0


def test_memory_that_a_cpu_lacks_halves_the_lanes(place, runs, monkeypatch, capsys):
    """torch reports it as a plain RuntimeError."""
    advance, sizes = LaneGroup.advance, []

    def limited(group):
        sizes.append(len(group.lanes))
        if len(group.lanes) > 2:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 byte"
            )
        advance(group)

    monkeypatch.setattr(LaneGroup, "advance", limited)
    place.groups = 1
    assert train_missing(runs[:4], place) == 4
    assert sizes[0] == 4
    assert set(sizes[1:]) == {2}
    assert "4 lanes do not fit into memory; training them in two halves" in capsys.readouterr().err


def test_another_error_is_not_taken_for_memory(place, runs, monkeypatch):
    def broken(group):
        raise RuntimeError("something else")

    monkeypatch.setattr(LaneGroup, "advance", broken)
    with pytest.raises(RuntimeError, match="something else"):
        train_missing(runs, place)


@pytest.mark.parametrize("step", [0, 4])
def test_out_of_memory_halves_the_lanes(place, base, undisturbed, each_step, capsys, step):
    sizes = []

    def exhaust(group):
        sizes.append(len(group.lanes))
        if len(group.lanes) == 4 and group.step == step:
            raise torch.OutOfMemoryError

    runs = several(base)
    each_step(exhaust)
    assert train_missing(runs, place) == 4
    assert sizes == [4] * (step + 1) + [2] * 12
    assert "4 lanes do not fit into memory; training them in two halves" in capsys.readouterr().err
    each_step(None)
    for found, expected in zip(numbers(place, runs), undisturbed(runs), strict=True):
        assert found["metrics"] == pytest.approx(expected["metrics"], abs=1e-9)


def test_a_run_that_does_not_fit_alone_is_an_error(place, base, each_step):
    def exhaust(group):
        raise torch.OutOfMemoryError

    each_step(exhaust)
    with pytest.raises(UserError, match=r"does not fit into the memory of cpu; lower recipe\.batch_size"):
        train_missing(several(base), place)


def test_values_of_the_trunk_that_do_not_fit_are_computed_anew(place, base, undisturbed, monkeypatch, capsys):
    def too_much(*_):
        raise torch.OutOfMemoryError

    runs = several(base)
    expected = undisturbed(runs)
    monkeypatch.setattr(schedule, "compute_features", too_much)
    assert train_missing(runs, place) == 4
    assert numbers(place, runs) == expected
    assert "the trunk's values do not fit into memory" in capsys.readouterr().err
