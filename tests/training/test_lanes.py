"""A lane gives what its run gives alone and what plain PyTorch gives on the whole model; the trunk stays as it was."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from subtuning.training.data import Images, batches, epoch_order
from subtuning.training.loop import LaneGroup
from subtuning.tuning.head import new_head
from subtuning.tuning.lane import Lane
from subtuning.tuning.tuning import FULL, Tuning
from tests.tiny import (
    CLASSES,
    images,
    largest_difference,
    make_run,
    metrics_of,
    recipe,
    shaken_network,
    shaken_trunk,
    states,
    train,
)

pytestmark = pytest.mark.slow

MODELS = ["test_resnet", "test_efficientnet", "test_vit", "test_convnext"]
BATCHNORM = ["test_resnet", "test_efficientnet"]
CROP = {"optimizer": "adam", "augmentation": "crop", "label_smoothing": 0.1, "warmup": 0.3}
CASES = {
    "BatchNorm, adamw": ("test_resnet", True, {}),
    "BatchNorm not folded": ("test_resnet", False, {}),
    "BatchNorm, sgd, flip, step": (
        "test_resnet",
        True,
        {"optimizer": "sgd", "augmentation": "flip", "schedule": "step"},
    ),
    "BatchNorm, adam, crop, smoothing, warm-up": ("test_resnet", True, CROP),
    "BatchNorm, mlp head, constant": (
        "test_resnet",
        True,
        {"head": "mlp", "head_depth": 2, "head_width": 8, "schedule": "constant"},
    ),
    "BatchNorm with activation": ("test_efficientnet", True, {"optimizer": "sgd"}),
    "LayerNorm, adamw": ("test_vit", True, {}),
    "LayerNorm, adam, crop, smoothing, warm-up": ("test_vit", True, CROP),
    "LayerNorm, downsampling in a block's group": ("test_convnext", True, {"optimizer": "sgd"}),
}


def subsets_of(trunk):
    """Every kind of subset: linear, one layer early, in the middle, late, two apart, stem, tail, full."""
    names = [segment.name for segment in trunk.original]
    layers = [name for name in names if name not in ("stem", "tail")]
    middle = layers[len(layers) // 2]
    ends = [(name,) for name in ("stem", "tail") if name in names]
    return [(), (layers[0],), (middle,), (layers[-1],), (layers[0], middle), *ends, FULL]


def features_of(model):
    return shaken_network(model).num_features


@pytest.mark.parametrize(("model", "fold", "settings"), CASES.values(), ids=CASES)
def test_a_lane_equals_the_same_run_alone(model, fold, settings):
    trunk, features = shaken_trunk(model, fold), features_of(model)
    runs = [make_run(subset, **settings) for subset in subsets_of(trunk)]
    together = train(trunk, runs, features)
    other_trunk = shaken_trunk(model, fold)
    scores = metrics_of(together, images(16, seed=9))
    assert len({state.curve[-1]["train_loss"] for state in together.lanes}) == len(runs), "lanes do the same thing"
    for run, lane, score in zip(runs, together.lanes, scores, strict=True):
        alone = train(other_trunk, [run], features)
        (own_score,) = metrics_of(alone, images(16, seed=9))
        assert largest_difference(states(alone.lanes[0].lane), states(lane.lane)) < 1e-9
        assert own_score == pytest.approx(score, abs=1e-9)
        assert len(lane.curve) == run.recipe.epochs
        for own, other in zip(alone.lanes[0].curve, lane.curve, strict=True):
            assert own == pytest.approx(other, abs=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_frozen_stays_bit_identical_and_trained_moves(model):
    trunk = shaken_trunk(model)
    frozen = [segment.module for segment in (*trunk.original, *trunk.frozen)]
    before = [states(module) for module in frozen]
    group = train(trunk, [make_run(subset) for subset in subsets_of(trunk)], features_of(model))
    metrics_of(group, images(16, seed=9))
    for module, old in zip(frozen, before, strict=True):
        assert all(torch.equal(value, old[name]) for name, value in module.state_dict().items())
        assert not module.training
    old = {segment.name: states(segment.module) for segment in trunk.original}
    for state in group.lanes:
        wanted = old if state.run.tuning.layers == FULL else set(state.run.tuning.layers)
        assert {key.replace("/", ".") for key in state.lane.trained} == set(wanted)
        for key, module in state.lane.trained.items():
            same = [n for n, value in module.state_dict().items() if torch.equal(value, old[key.replace("/", ".")][n])]
            assert not same, f"{state.run.tuning}: {same} of {key} did not move"


@pytest.mark.parametrize("model", BATCHNORM)
def test_only_trained_layers_are_in_training_mode(model):
    trunk = shaken_trunk(model)
    layers = [segment.name for segment in trunk.original][1:-1]
    group = LaneGroup(trunk, [make_run((layers[0], layers[2]))], images().on_device(), CLASSES, features_of(model))
    group.advance()
    modes = {s.name: {module.training for module in s.module.modules()} for s in group.lanes[0].lane._path}
    assert modes == {s.name: {s.name in (layers[0], layers[2])} for s in trunk.original[1:]}
    metrics_of(group, images(16, seed=9))
    assert not any(module.training for module in group.lanes[0].lane.modules())


def test_scoring_changes_nothing():
    trunk = shaken_trunk("test_resnet")
    group = train(trunk, [make_run(FULL)], features_of("test_resnet"))
    before = states(group.lanes[0].lane)
    first = metrics_of(group, images(16, seed=9))
    assert first == metrics_of(group, images(16, seed=9))
    assert largest_difference(before, states(group.lanes[0].lane)) == 0


def test_a_score_is_accuracy_and_mean_loss_over_all_images():
    trunk = shaken_trunk("test_resnet")
    group = train(trunk, [make_run((trunk.original[2].name,))], features_of("test_resnet"))
    (score,) = metrics_of(group, images(301, seed=9))
    scored = images(301, seed=9)
    pixels, labels = scored.batch(torch.arange(301).numpy())
    lane = group.lanes[0].lane.eval()
    with torch.no_grad():
        logits = lane(trunk.values_at(pixels, [lane.cut])[lane.cut])
    assert score["n"] == 301
    assert score["accuracy"] == (logits.argmax(1) == labels).double().mean().item()
    assert score["loss"] == pytest.approx(F.cross_entropy(logits, labels).item(), abs=1e-9)


def test_the_curve_holds_means_over_the_images_of_each_epoch():
    """With batches of 7 and 6 images and a learning rate that moves nothing."""
    trunk = shaken_trunk("test_resnet")
    group = LaneGroup(trunk, [make_run((), lr=1e-30)], images(13).on_device(), CLASSES, features_of("test_resnet"))
    while not group.finished:
        group.advance()
    (score,) = metrics_of(group, images(13))
    for epoch, point in enumerate(group.lanes[0].curve, start=1):
        assert point["epoch"] == epoch
        assert point["train_loss"] == pytest.approx(score["loss"], abs=1e-9)
        assert point["train_accuracy"] == score["accuracy"]
    assert [point["lr"] for point in group.lanes[0].curve] == pytest.approx([learning_rate_of(1), learning_rate_of(3)])


def learning_rate_of(step):
    return 1e-30 * (1 + math.cos(math.pi * step / 4)) / 2


def test_gradients_stop_at_the_lowest_trained_layer():
    trunk = shaken_trunk("test_resnet")
    seen = []
    names = [segment.name for segment in trunk.original]
    for segment in trunk.frozen:
        segment.module.register_forward_hook(lambda *_, name=segment.name: seen.append((name, torch.is_grad_enabled())))
    runs = [make_run(("layer3.0",)), make_run(("layer2.0",))]
    LaneGroup(trunk, runs, images().on_device(), CLASSES, features_of("test_resnet")).advance()
    shared = [("stem", False), ("layer1.0", False), ("layer2.0", False)]  # once for both lanes; then each its own
    assert seen[:3] == shared
    assert sorted(seen[3:]) == [("layer3.0", True), ("layer4.0", True), ("layer4.0", True)]
    assert names == ["stem", "layer1.0", "layer2.0", "layer3.0", "layer4.0"]


PATHS = {
    ("test_resnet", ()): (),
    ("test_resnet", ("layer3.0",)): ("layer3.0.",),
    ("test_resnet", ("stem",)): ("conv1.", "bn1."),
    ("test_resnet", ("layer1.0", "layer4.0")): ("layer1.0.", "layer4.0."),
    ("test_resnet", FULL): ("",),
    ("test_efficientnet", ("blocks.1.0", "blocks.3.0")): ("blocks.1.0.", "blocks.3.0."),
    ("test_efficientnet", ("tail",)): ("conv_head.", "bn2."),
    ("test_efficientnet", FULL): ("",),
    ("test_vit", ("blocks.4",)): ("blocks.4.",),
    ("test_vit", ("stem",)): ("cls_token", "reg_token", "pos_embed", "patch_embed."),
    ("test_vit", FULL): ("",),
    ("test_convnext", ("stages.1.blocks.0",)): ("stages.1.downsample.", "stages.1.blocks.0."),
    ("test_convnext", FULL): ("",),
}
"""(model, subset) -> the beginnings of the names of the parameters that it should train, written by hand."""


@pytest.mark.parametrize(
    ("model", "subset", "optimizer"),
    [(*case, "adamw") for case in PATHS]
    + [("test_resnet", FULL, "adam"), ("test_resnet", FULL, "sgd"), ("test_vit", FULL, "sgd")],
)
def test_gradients_and_steps_are_those_of_plain_pytorch_on_the_whole_model(model, subset, optimizer):
    settings = {"optimizer": optimizer, "label_smoothing": 0.05}
    trunk, run = shaken_trunk(model, fold=False), make_run(subset, **settings)
    group = LaneGroup(trunk, [run], images(24).on_device(), CLASSES, features_of(model))
    lane = group.lanes[0].lane
    plain = Plain(model, PATHS[model, subset], run)
    for _ in range(3):
        group.advance()
        plain.advance()
        ours = {name: p.grad for trained in lane.trained.values() for name, p in trained.named_parameters()}
        theirs = {name: p.grad for name, p in plain.network.named_parameters() if p.requires_grad}
        assert ours.keys() == theirs.keys()
        assert all((grad - theirs[name]).abs().max() < 1e-9 for name, grad in ours.items())
        assert any(grad.abs().max() > 1e-4 for grad in ours.values()) or not subset
        heads = zip(lane.head.parameters(), plain.head.parameters(), strict=True)
        assert all((own.grad - other.grad).abs().max() < 1e-9 for own, other in heads)
    for trained in lane.trained.values():
        reference = plain.network.state_dict()
        assert largest_difference(states(trained), {name: reference[name] for name in trained.state_dict()}) < 1e-9
    assert largest_difference(states(lane.head), states(plain.head)) < 1e-9


class Plain:
    """The same training written plainly: the whole timm model, requires_grad and modes set by parameter names."""

    def __init__(self, model, trained, run):
        self.network, self.run = shaken_network(model), run
        self.trained, self.step = trained, 0
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(bool(trained) and name.startswith(trained))
        self.head = new_head(self.network.num_features, CLASSES, run.recipe, run.seed).double()
        parameters = [p for p in [*self.network.parameters(), *self.head.parameters()] if p.requires_grad]
        lr, decay = run.recipe.lr, run.recipe.weight_decay
        self.optimizer = {
            "adamw": lambda: torch.optim.AdamW(parameters, lr=lr, weight_decay=decay, foreach=False),
            "adam": lambda: torch.optim.Adam(parameters, lr=lr, weight_decay=decay, foreach=False),
            "sgd": lambda: torch.optim.SGD(parameters, lr=lr, weight_decay=decay, momentum=0.9, foreach=False),
        }[run.recipe.optimizer]()
        self.images = images(24)
        self.batches = batches(24, run.recipe.batch_size, epoch_order(24, run.seed, 0))

    def advance(self):
        """One step of the first epoch, with the cosine schedule over two epochs of three steps."""
        for name, module in self.network.named_modules():
            module.training = bool(self.trained) and f"{name}.".startswith(self.trained)
        for group in self.optimizer.param_groups:
            group["lr"] = self.run.recipe.lr * (1 + math.cos(math.pi * self.step / 6)) / 2
        pixels, labels = self.images.batch(self.batches[self.step])
        loss = F.cross_entropy(self.head(self.network(pixels)), labels, label_smoothing=self.run.recipe.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1


@pytest.mark.parametrize("model", BATCHNORM)
def test_folding_changes_nothing_but_rounding(model):
    subset = (shaken_trunk(model).original[2].name,)
    folded, plain = (train(shaken_trunk(model, fold), [make_run(subset)], features_of(model)) for fold in (True, False))
    assert largest_difference(states(folded.lanes[0].lane), states(plain.lanes[0].lane)) < 1e-9
    norms = [m for s in folded.trunk.frozen for m in s.module.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert not norms, "every BatchNorm of these models follows a convolution"


def test_lanes_of_one_seed_start_from_one_head():
    first, again, other = (new_head(5, 3, recipe(), seed) for seed in (0, 0, 1))
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)


def test_a_head_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    new_head(5, 3, recipe(), 0)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("depth", [1, 3])
def test_the_mlp_head_has_hidden_layers_without_bias(depth):
    head = new_head(5, 3, recipe(head="mlp", head_depth=depth, head_width=7), 0)
    shapes = [tuple(parameter.shape) for parameter in head.parameters()]
    assert shapes == [(7, 5)] + [(7, 7)] * (depth - 1) + [(3, 7), (3,)]
    x = torch.randn(4, 5)
    hidden = x
    for weight in list(head.parameters())[:-2]:
        hidden = (hidden @ weight.T).clamp_min(0)
    *_, weight, bias = head.parameters()
    assert torch.allclose(head(x), hidden @ weight.T + bias, atol=1e-6)


def test_seeds_decide_everything_and_the_global_generator_nothing():
    def result(seed, noise):
        torch.manual_seed(noise)
        trunk = shaken_trunk("test_resnet")
        group = train(trunk, [make_run(("layer3.0",), seed, augmentation="crop")], features_of("test_resnet"))
        return states(group.lanes[0].lane), metrics_of(group, images(16, seed=9))

    first, again, other = result(0, 1), result(0, 2), result(1, 1)
    assert largest_difference(first[0], again[0]) == 0
    assert first[1] == again[1]
    assert largest_difference(first[0], other[0]) > 1e-3


def test_augmentation_differs_in_every_step_and_seed_and_never_else(monkeypatch):
    drawn = []
    batch = Images.pixels_at

    def watched(self, rows, augmentation="none", rng=None, *read):
        drawn.append(copy.deepcopy(rng).random())
        return batch(self, rows, augmentation, rng, *read)

    def of_seed(seed):
        drawn.clear()
        train(shaken_trunk("test_resnet"), [make_run((), seed, augmentation="flip")], features_of("test_resnet"))
        return tuple(drawn)

    monkeypatch.setattr(Images, "pixels_at", watched)
    assert of_seed(0) == of_seed(0)
    assert len({*of_seed(0), *of_seed(1)}) == 2 * 4


def test_full_trains_every_parameter_and_linear_none():
    trunk = shaken_trunk("test_vit")
    head = new_head(trunk_features := features_of("test_vit"), CLASSES, recipe(), 0)
    count = sum(p.numel() for p in head.parameters())
    assert count == CLASSES * (trunk_features + 1)
    assert sum(p.numel() for p in Lane(trunk, Tuning(), head).parameters()) == count
    full = sum(p.numel() for p in Lane(trunk, Tuning(FULL), head).parameters() if p.requires_grad)
    assert full == count + sum(p.numel() for p in shaken_network("test_vit").parameters())
