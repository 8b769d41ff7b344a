"""Each way of training a layer: a lane equals the run alone, merged equals unmerged, what is frozen stays as it was."""

import copy

import pytest
import torch
from torch import nn

from subtuning.errors import UserError
from subtuning.training import memory
from subtuning.training.loop import LaneGroup
from subtuning.tuning.adapters import adapter_of
from subtuning.tuning.lane import Lane, Trunk
from subtuning.tuning.tuning import FULL, How, Tuning
from tests.tiny import CLASSES, images, largest_difference, make_run, metrics_of, shaken_network, shaken_trunk, train

HOWS = ["weights", "lora", "lora(alpha=4, rank=2)", "biases", "norms", "scale_shift", "reinit"]
PARTS = ["attention", "mlp", "lora(on=qkv, rank=2)", "lora(on=attention)"]
MODELS = {
    "test_vit": ("blocks.1", "blocks.3"),
    "test_resnet": ("layer2.0", "layer4.0"),
    "test_convnext": ("stages.1.blocks.0", "stages.3.blocks.0"),
    "test_efficientnet": ("blocks.1.0", "blocks.4.0"),
}
CASES = [(model, how) for model in MODELS for how in HOWS] + [("test_vit", how) for how in PARTS]
CASES += [("test_convnext", "mlp")]
EVERY = pytest.mark.parametrize(("model", "how"), CASES)


def tunings(model: str, how: str) -> list[Tuning]:
    """One layer, and two."""
    low, high = MODELS[model]
    return [Tuning((high,), How.parse(how)), Tuning((low, high), How.parse(how))]


def trained(model: str, how: str):
    """A group of lanes after training, beside one that trains weights."""
    runs = [make_run(tuning) for tuning in [*tunings(model, how), Tuning(MODELS[model][1:])]]
    return train(shaken_trunk(model), runs, shaken_network(model).num_features)


def weights_of(trunk: Trunk) -> dict[str, torch.Tensor]:
    """All tensors of the pretrained network."""
    return {name: tensor for s in trunk.original for name, tensor in s.module.state_dict().items()}


@EVERY
def test_a_lane_equals_the_same_run_alone(model, how):
    together, scored = trained(model, how), images(16, seed=9)
    for state, score in zip(together.lanes[:2], metrics_of(together, scored)[:2], strict=True):
        alone = train(shaken_trunk(model), [state.run], shaken_network(model).num_features)
        for point, other in zip(alone.lanes[0].curve, state.curve, strict=True):
            assert point == pytest.approx(other, abs=1e-9)
        assert metrics_of(alone, scored)[0]["loss"] == pytest.approx(score["loss"], abs=1e-9)


@EVERY
def test_merged_layers_are_plain_and_predict_the_same(model, how):
    group = trained(model, how)
    pixels = images(8, seed=9).batch(range(8))[0]
    for state in group.lanes[:2]:
        network, merge = shaken_network(model), adapter_of(state.run.tuning.how).merge
        network.reset_classifier(0)
        plain = network.state_dict()
        for layer in state.lane.trained.values():
            merged = merge(layer).state_dict()
            assert set(merged) <= set(plain) | {name for name in merged if name.endswith("num_batches_tracked")}
            plain |= {name: tensor for name, tensor in merged.items() if name in plain}
        network.load_state_dict(plain)
        state.lane.eval()
        with torch.no_grad():
            values = group.trunk.values_at(pixels, [state.lane.cut])[state.lane.cut]
            expected, found = state.lane(values), state.lane.head(network.eval()(pixels))
        assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9)
        assert (found - found.mean(0)).abs().max() > 1e-6


@EVERY
def test_what_is_frozen_stays_as_it_was(model, how):
    before = {name: tensor.clone() for name, tensor in weights_of(shaken_trunk(model)).items()}
    group = trained(model, how)
    after = weights_of(group.trunk)
    assert all(torch.equal(after[name], before[name]) for name in before)
    for state in group.lanes[:2]:
        own = {id(parameter) for parameter in state.lane.trained_parameters}
        kept = {p.data_ptr() for p in after.values()}
        for module in state.lane.trained.values():
            frozen = [p for p in module.parameters() if id(p) not in own]
            assert all(p.data_ptr() in kept for p in frozen), "frozen tensors are the trunk's own"


@EVERY
def test_kept_tensors_restore_the_lane(model, how):
    group = trained(model, how)
    values_of, pixels = group.trunk.values_at, images(4).batch(range(4))[0]
    for state in group.lanes[:2]:
        kept = state.lane.trained_state()
        other = Lane(group.trunk, state.run.tuning, nn.Linear(*reversed(state.lane.head.weight.shape)).double(), 5)
        with torch.no_grad():
            for name, tensor in other.trained_state().items():
                tensor.copy_(kept[name])
            values = values_of(pixels, [state.lane.cut])[state.lane.cut]
            assert torch.equal(other.eval()(values), state.lane.eval()(values))


@pytest.mark.parametrize(
    ("model", "how", "count"),
    [
        ("test_vit", "attention", 64 * 3 * 64 + 3 * 64 + 64 * 64 + 64),
        ("test_vit", "mlp", 2 * 64 * 192 + 192 + 64),
        ("test_vit", "biases", 64 + 3 * 64 + 64 + 64 + 192 + 64),
        ("test_vit", "norms", 4 * 64),
        ("test_vit", "lora(rank=2)", 2 * ((64 + 192) * 3 + 2 * 64)),
        ("test_vit", "lora(rank=2, on=qkv)", 2 * (64 + 192)),
        ("test_vit", "scale_shift", 2 * (64 + 3 * 64 + 64 + 64 + 192 + 64)),
    ],
)
def test_as_many_parameters_are_trained_as_the_method_says(model, how, count):
    trunk = shaken_trunk(model)
    lane = Lane(trunk, Tuning(("blocks.3",), How.parse(how)), nn.Linear(64, CLASSES).double())
    assert sum(p.numel() for p in lane.own["blocks.3"]) == count


@pytest.mark.parametrize("how", ["lora", "scale_shift", "biases", "norms", "attention"])
@pytest.mark.parametrize("model", ["test_vit", "test_vit2"])
def test_training_begins_at_the_pretrained_network(model, how):
    trunk, head = shaken_trunk(model), nn.Linear(64, CLASSES).double()
    pixels = images(4).batch(range(4))[0]
    with torch.no_grad():
        lanes = [Lane(trunk, tuning, head).eval() for tuning in (Tuning(("blocks.0",), How.parse(how)), Tuning())]
        one, other = (lane(trunk.values_at(pixels, [lane.cut])[lane.cut]) for lane in lanes)
    assert torch.allclose(one, other, rtol=1e-12)


def test_a_new_start_depends_on_the_seed_and_the_layer_only():
    trunk, head = shaken_trunk("test_vit"), nn.Linear(64, CLASSES).double()

    def drawn(layers, seed):
        lane = Lane(trunk, Tuning(layers, How("reinit")), head, seed)
        return lane.trained["blocks/3"].state_dict()["blocks.3.attn.qkv.weight"].clone()

    own = drawn(("blocks.3",), 1)
    assert torch.equal(own, drawn(("blocks.0", "blocks.3"), 1))
    assert not torch.equal(own, drawn(("blocks.3",), 2))
    assert not torch.equal(own, weights_of(trunk)["blocks.3.attn.qkv.weight"])


@pytest.mark.parametrize(
    ("layers", "how", "sentence"),
    [
        (("layer2.0",), "attention", "layer 'layer2.0' has nothing that attention trains"),
        (FULL, "attention", "no layer of this backbone has nothing that attention trains"),
        (("layer2.0",), "lora(on=qkv)", r"layer 'layer2.0' has nothing that lora\(on=qkv\) trains"),
        (("layer2.0",), "lora(rank=0)", "rank is 0; it must be a whole number, 1 or more"),
        (("layer2.0",), "lora(rank=many)", "rank must be a number"),
        (("layer2.0",), "lora(alpha=-1)", "alpha is -1"),
        (("layer2.0",), "lora(ranks=4)", "lora has no option 'ranks'; its options are rank, alpha, on"),
        (("layer2.0",), "biases(rank=4)", "it has no options"),
        (("layer2.0",), "lorra", "there is no 'lorra' among the adapters .did you mean 'lora'"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_sentence(layers, how, sentence):
    with pytest.raises(UserError, match=sentence):
        Lane(shaken_trunk("test_resnet"), Tuning(layers, How.parse(how)), nn.Linear(64, CLASSES))


def test_of_full_only_layers_that_have_the_part_are_trained():
    trunk = shaken_trunk("test_vit")
    assert trunk.trained_by(Tuning(FULL, How("attention"))) == tuple(f"blocks.{i}" for i in range(6))


@pytest.mark.parametrize("how", [*HOWS, *PARTS])
def test_in_a_lower_precision_trained_tensors_stay_in_the_full_one(how):
    trunk = shaken_trunk("test_vit").to(torch.device("cpu"), torch.float32).in_precision(torch.bfloat16)
    lane = Lane(trunk, Tuning(("blocks.3",), How.parse(how)), nn.Linear(64, CLASSES)).train()
    pixels = images(4).batch(range(4))[0].float()
    with torch.no_grad():
        values = trunk.values_at(pixels, [lane.cut])[lane.cut]
    nn.functional.cross_entropy(lane(values), torch.arange(4)).backward()
    for parameter in lane.trained_parameters:
        assert parameter.dtype == parameter.grad.dtype == torch.float32
        assert parameter.grad.isfinite().all()


@pytest.mark.parametrize("strategy", ["lp_ft", "gradual", "auto_rgn"])
@pytest.mark.parametrize(("model", "how"), [("test_vit", "lora"), ("test_resnet", "scale_shift"), ("test_vit", "mlp")])
def test_strategies_and_layer_decay_work_on_what_is_trained(model, how, strategy):
    run = make_run(tunings(model, how)[1], strategy=strategy, layer_decay=0.5)
    group = train(shaken_trunk(model), [run], shaken_network(model).num_features)
    (state,) = group.lanes
    start = Lane(shaken_trunk(model), run.tuning, nn.Linear(2, 2), 0)
    for layer, own in state.lane.own.items():
        assert not all(torch.equal(one, other) for one, other in zip(own, start.own[layer], strict=True)), layer


@pytest.mark.parametrize("how", [*HOWS, "lora(on=attention)"])
def test_resumed_equals_uninterrupted(how):
    model = "test_efficientnet" if "on=" not in how else "test_vit"
    run, features = make_run(tunings(model, how)[1]), shaken_network(model).num_features
    undisturbed = train(shaken_trunk(model), [run], features)
    first, second = (LaneGroup(shaken_trunk(model), [run], images().on_device(), CLASSES, features) for _ in range(2))
    for _ in range(3):
        first.advance()
    second.lanes[0].restore(copy.deepcopy(first.lanes[0].state()))
    second.step = first.step
    while not second.finished:
        second.advance()
    one, other = (group.lanes[0].lane.trained_state() for group in (undisturbed, second))
    assert largest_difference(one, other) == 0


@pytest.mark.parametrize(
    ("model", "how"), [("test_vit", "lora"), ("test_resnet", "scale_shift"), ("test_vit", "norms")]
)
def test_the_memory_plan_counts_what_a_lane_has_of_its_own(model, how):
    trunk, features = shaken_trunk(model), shaken_network(model).num_features
    run = make_run(tunings(model, how)[0])
    need = memory.estimate(trunk, [run], images(40), CLASSES, features)
    lane = Lane(trunk, run.tuning, nn.Linear(features, CLASSES).double())
    assert need.states == (4 * 8 * sum(p.numel() for p in lane.trained_parameters),)
    (whole,) = memory.estimate(trunk, [make_run(run.tuning.layers)], images(40), CLASSES, features).states
    assert need.states[0] < whole
