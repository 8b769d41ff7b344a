"""An adapter from outside: a lane that it makes trains what it says, and what it says only."""

from pathlib import Path

import pytest
import torch

from subtuning.tuning.adapters import adapter_of
from subtuning.tuning.lane import Lane
from subtuning.tuning.tuning import FULL, How, Tuning
from tests.tiny import CLASSES, images, make_run, metrics_of, shaken_network, shaken_trunk, train

TOYS = Path(__file__).parents[1] / "toys"
BIASES = How("biases_only")
TUNINGS = [Tuning(("layer2.0",), BIASES), Tuning(("layer1.0", "layer4.0"), BIASES), Tuning(FULL, BIASES)]


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    """The toys as if they were installed."""
    monkeypatch.syspath_prepend(TOYS)


@pytest.fixture
def features():
    return shaken_network("test_resnet").num_features


def test_a_lane_equals_the_same_run_alone(features):
    trunk = shaken_trunk("test_resnet")
    runs = [make_run(tuning) for tuning in [*TUNINGS, Tuning(("layer2.0",))]]
    together, scored = train(trunk, runs, features), images(16, seed=9)
    for state, score in zip(together.lanes, metrics_of(together, scored), strict=True):
        alone = train(shaken_trunk("test_resnet"), [state.run], features)
        for point, other in zip(alone.lanes[0].curve, state.curve, strict=True):
            assert point == pytest.approx(other, abs=1e-9)
        (own,) = metrics_of(alone, scored)
        assert own["loss"] == pytest.approx(score["loss"], abs=1e-9)


def test_only_what_the_adapter_names_is_trained(features):
    trunk = shaken_trunk("test_resnet")
    before = {s.name: {n: t.clone() for n, t in s.module.state_dict().items()} for s in trunk.original}
    group = train(trunk, [make_run(tuning) for tuning in TUNINGS], features)
    for state in group.lanes:
        for key, module in state.lane.trained.items():
            for name, tensor in module.state_dict().items():
                same = torch.equal(tensor, before[key.replace("/", ".")][name])
                assert same != name.endswith("bias"), f"{state.run.tuning}: {name}"
        kept = state.lane.trained_state()
        assert all(name.endswith("bias") or name.startswith("head.") for name in kept)


def test_frozen_tensors_are_those_of_the_trunk(features):
    trunk = shaken_trunk("test_resnet")
    lane = Lane(trunk, TUNINGS[0], torch.nn.Linear(features, CLASSES))
    known = {name: p for s in trunk.original for name, p in s.module.named_parameters()}
    shared = {n: p.data_ptr() == known[n].data_ptr() for m in lane.trained.values() for n, p in m.named_parameters()}
    assert shared
    assert all(same != name.endswith("bias") for name, same in shared.items())


def test_batchnorm_keeps_its_statistics_in_train_mode(features):
    lane = Lane(shaken_trunk("test_resnet"), TUNINGS[0], torch.nn.Linear(features, CLASSES)).train()
    norms = [m for m in lane.trained.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    assert not any(norm.training for norm in norms)


def test_merged_equals_unmerged(features):
    group = train(shaken_trunk("test_resnet"), [make_run(TUNINGS[0])], features)
    (module,) = group.lanes[0].lane.trained.values()
    merged, values = adapter_of(BIASES).merge(module), group.trunk.values_at(images(4).batch(range(4))[0], [2])[2]
    names = group.trunk.original[2].inputs
    one, other = (m(*(values[n] for n in names)) for m in (merged, module))
    assert torch.equal(*(out[0] if isinstance(out, tuple) else out for out in (one, other)))
