"""Lanes whose layers are not all trained in every step: equal to the same run alone, resumed, and really frozen."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

from subtuning.config import parse_config
from subtuning.registry import names_of
from subtuning.runs import Split
from subtuning.training.interrupt import Interrupted
from subtuning.training.loop import LaneGroup
from subtuning.training.outcome import read_trained
from subtuning.training.runner import train_missing
from subtuning.training.scalars import write_scalars
from subtuning.training.strategies import gradual
from subtuning.tuning.tuning import FULL, How, Tuning
from tests.tiny import (
    CLASSES,
    CPU,
    images,
    largest_difference,
    make_run,
    metrics_of,
    shaken_network,
    shaken_trunk,
    states,
    train,
)
from tests.training.conftest import SUBSETS, new_place, numbers, recipe_of

TOYS = Path(__file__).parents[1] / "toys"
OWN = [{"strategy": name} for name in ("all", "lp_ft", "gradual", "auto_rgn", "alternate")]
OWN += [{"layer_decay": 0.6}, {"layer_decay": 0.6, "strategy": "auto_rgn", "optimizer": "sgd"}]
BIASES = Tuning(FULL, How("biases_only"))
HALF = ("layer1.0", "layer3.0")


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    """An adapter and a strategy from outside, as if they were installed."""
    monkeypatch.syspath_prepend(TOYS)


@pytest.fixture
def features():
    return shaken_network("test_resnet").num_features


def test_a_strategy_from_outside_is_known_by_its_name():
    assert names_of("strategies") == ["all", "auto_rgn", "displacement", "gradual", "lp_ft", "measure", "alternate"]
    config = parse_config(
        {"tasks": {"a": {"source": "builtin"}}, "backbones": {"b": {"model": "m"}}, "recipe": {"strategy": "alternate"}}
    )
    assert config.recipe.strategy == "alternate"


def test_the_defaults_are_no_part_of_an_identity():
    assert not {"strategy", "layer_decay"} & make_run().identity()["recipe"].keys()
    assert make_run(strategy="all", layer_decay=1).id == make_run().id


@pytest.mark.slow
@pytest.mark.parametrize("low", [None, torch.bfloat16, torch.float16], ids=["fp32", "bf16", "fp16"])
def test_a_lane_equals_the_same_run_alone_bit_for_bit(features, low):
    trunk = shaken_trunk("test_resnet").to(CPU, torch.float32).in_precision(low)
    source = replace(images(16), dtype=torch.float32).on_device()

    def trained(runs):
        group = LaneGroup(trunk, runs, source, CLASSES, features)
        while not group.finished:
            group.advance()
        return group

    runs = [make_run(subset, **own) for own in OWN for subset in (*SUBSETS[2:], BIASES)]
    together = trained(runs)
    assert len({str(state.curve) for state in together.lanes}) == len(runs), "each does something of its own"
    for state, score in zip(together.lanes, metrics_of(together, source), strict=True):
        alone = trained([state.run])
        assert alone.lanes[0].curve == state.curve
        assert largest_difference(states(alone.lanes[0].lane), states(state.lane)) == 0
        assert metrics_of(alone, source) == [score]


def test_runs_of_the_head_alone_are_one_run_whatever_layers_would_do(place, base):
    runs = [recipe_of(base, **own) for own in OWN[:4]]
    assert len({run.id for run in runs}) == 1
    assert train_missing(runs, place) == 1
    assert len({run.with_tuning(Tuning(HALF)).id for run in runs}) == len(runs)


@pytest.mark.parametrize("own", OWN, ids=str)
def test_with_nothing_but_a_head_a_run_is_the_plain_one(features, own):
    trunk, more = shaken_trunk("test_resnet"), {"optimizer": own.get("optimizer", "adamw")}
    plain, other = train(trunk, [make_run((), **more), make_run((), **own)], features).lanes
    assert plain.curve == other.curve
    assert largest_difference(states(plain.lane), states(other.lane)) == 0


def test_one_layer_alone_has_the_largest_gradients(features):
    runs = [make_run(("layer2.0",)), make_run(("layer2.0",), strategy="auto_rgn")]
    plain, other = train(shaken_trunk("test_resnet"), runs, features).lanes
    assert largest_difference(states(plain.lane), states(other.lane)) == 0


def test_groups_of_the_optimiser_change_no_bit(features, monkeypatch):
    plain = train(shaken_trunk("test_resnet"), [make_run(FULL)], features).lanes[0]
    monkeypatch.setattr(gradual, "scales", lambda now, state: [1.0] * len(now.layers))
    apart = train(shaken_trunk("test_resnet"), [make_run(FULL, strategy="gradual")], features).lanes[0]
    assert (len(plain.optimizer.param_groups), len(apart.optimizer.param_groups)) == (1, 6)
    assert largest_difference(states(plain.lane), states(apart.lane)) == 0


@pytest.mark.parametrize("model", ["test_resnet", "test_efficientnet", "test_vit"])
@pytest.mark.parametrize("strategy", ["lp_ft", "gradual"])
@pytest.mark.parametrize("how", ["weights", "biases_only"])
def test_a_layer_is_as_it_was_until_its_turn_and_moves_then(model, strategy, how):
    """Weights, BatchNorm statistics and moments; with ten steps and an optimiser that would decay weights."""
    trunk = shaken_trunk(model)
    before = {s.name: states(s.module) for s in trunk.original}
    run = make_run(Tuning(FULL, How(how)), strategy=strategy, epochs=5)
    group = LaneGroup(trunk, [run], images().on_device(), CLASSES, shaken_network(model).num_features)
    lane, names, steps = group.lanes[0].lane, list(before), group.steps
    for step in range(steps):
        group.advance()
        for place, name in enumerate(names):
            module, begins = lane.trained[name.replace(".", "/")], steps // 2
            if strategy == "gradual":
                begins = steps * (len(names) - place) // (len(names) + 1)
            same = [n for n, value in module.state_dict().items() if torch.equal(value, before[name][n])]
            if step < begins:
                assert same == list(before[name]), f"{name} in step {step}"
                assert not any(p in group.lanes[0].optimizer.state or p.requires_grad for p in lane.own[name])
                assert not any(part.training for part in module.modules())
            else:
                assert not same or how != "weights", f"{same} of {name} in step {step}"
                assert all(p in group.lanes[0].optimizer.state for p in lane.own[name])


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_layer_that_rests_again_does_not_drift(features, optimizer):
    """Neither by weight decay nor by the momentum that it has."""
    run = make_run(HALF, strategy="alternate", optimizer=optimizer, epochs=3)
    group = LaneGroup(shaken_trunk("test_resnet"), [run], images().on_device(), CLASSES, features)
    lane = group.lanes[0].lane
    for step in range(group.steps):
        before = [states(module) for module in lane.trained.values()]
        group.advance()
        moved = [largest_difference(old, states(m)) > 0 for old, m in zip(before, lane.trained.values(), strict=True)]
        assert moved == [step % 2 == 0, step % 2 == 1]


def test_the_first_half_of_lp_ft_is_linear_probing(features):
    runs = [make_run((), epochs=4), make_run(FULL, strategy="lp_ft", epochs=4)]
    group = LaneGroup(shaken_trunk("test_resnet"), runs, images().on_device(), CLASSES, features)
    for _ in range(group.steps // 2):
        group.advance()
    linear, other = group.lanes
    assert largest_difference(states(linear.lane.head), states(other.lane.head)) < 1e-9
    group.advance()
    group.advance()
    assert largest_difference(states(linear.lane.head), states(other.lane.head)) > 1e-6


def test_each_layers_rate_is_in_the_curve_and_in_tensorboard(place, base, tmp_path):
    run = recipe_of(base.with_tuning(Tuning(HALF)), layer_decay=0.5, strategy="lp_ft", schedule="constant")
    train_missing([run], place)
    (record,) = place.store.require([run])
    rates = [{key: value for key, value in point.items() if "lr" in key} for point in record["curve"]]
    own = {"lr/layer1.0": run.recipe.lr / 16, "lr/layer3.0": run.recipe.lr / 4}
    assert rates == [{"lr": run.recipe.lr} | dict.fromkeys(own, 0), {"lr": run.recipe.lr} | own]
    write_scalars(record, run, tmp_path)
    events = EventMultiplexer().AddRunsFromDirectory(str(tmp_path)).Reload()
    ((name, tags),) = events.Runs().items()
    assert {"train_loss", "lr", *own} <= set(tags["scalars"])
    shown = [event.value for event in events.Scalars(name, "lr/layer3.0")]
    assert shown == pytest.approx([0, own["lr/layer3.0"]])


def test_layers_that_rest_at_the_end_are_part_of_what_is_kept(place, base, tmp_path):
    place.models = tmp_path / "models"
    tuning, split = Tuning(HALF), Split("test")
    runs = [recipe_of(base.with_tuning(tuning).with_split(split), strategy=name) for name in ("all", "alternate")]
    train_missing(runs, place)
    kept = [read_trained(place.models / f"{run.id}.safetensors")[0].keys() for run in runs]
    assert kept[0] == kept[1]
    assert any(name.startswith("layer1.0") for name in kept[0])
    plain, other = place.store.require(runs)
    assert plain["trainable_parameters"] == other["trainable_parameters"]


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
def test_resumed_equals_uninterrupted(place, base, undisturbed, each_step, step):
    """Stopped before, at and after the steps at which layers begin, and inside of an epoch that is measured."""
    runs = [recipe_of(base.with_tuning(t), **own) for own in OWN for t in (Tuning(HALF), Tuning(FULL), BIASES)]
    each_step(lambda group: signal.raise_signal(signal.SIGTERM) if group.step == step - 1 else None)
    with pytest.raises(Interrupted):
        train_missing(runs, place)
    each_step(None)
    assert len(list(place.checkpoints.folder.iterdir())) == len(runs)
    assert train_missing(runs, place) == len(runs)
    assert numbers(place, runs) == undisturbed(runs)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_resumed_equals_uninterrupted_in_lower_precision(inputs, layers, base, tmp_path, each_step, precision):
    runs = [recipe_of(base.with_tuning(Tuning(FULL)), precision=precision, **own) for own in OWN]
    places = [new_place(inputs, layers, tmp_path / name, dtype=torch.float32) for name in ("whole", "stopped")]
    train_missing(runs, places[0])
    each_step(lambda group: signal.raise_signal(signal.SIGTERM) if group.step == 3 else None)
    with pytest.raises(Interrupted):
        train_missing(runs, places[1])
    each_step(None)
    train_missing(runs, places[1])
    assert numbers(places[0], runs) == numbers(places[1], runs)


def test_a_checkpoint_of_an_earlier_version_goes_on(features):
    group = LaneGroup(shaken_trunk("test_resnet"), [make_run(HALF)], images().on_device(), CLASSES, features)
    group.advance()
    saved = group.lanes[0].state()
    del saved["strategy"]
    group.lanes[0].restore(saved)
    group.advance()
    assert group.lanes[0].rates.state == {}
