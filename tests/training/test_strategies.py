"""Strategies and layer decay: the scales by hand, and the whole training against plain PyTorch."""

import math

import pytest
import torch
import torch.nn.functional as F
from timm.optim import param_groups_layer_decay

from subtuning.backbones.graph import TAIL
from subtuning.training.data import batches, epoch_order
from subtuning.training.loop import LaneGroup
from subtuning.training.rates import place_scale
from subtuning.training.strategies import Moment, auto_rgn, gradual, lp_ft
from subtuning.tuning.head import new_head
from subtuning.tuning.tuning import FULL
from tests.tiny import CLASSES, images, largest_difference, make_run, shaken_network, shaken_trunk, states


def over_time(strategy, layers, steps):
    """Step -> the scales of the layers, as a text of digits."""
    moments = [Moment(tuple("abcdefg"[:layers]), step, steps, steps) for step in range(steps)]
    return ["".join(f"{scale:g}" for scale in strategy.scales(now, {})) for now in moments]


def test_linear_probing_takes_the_first_half_of_the_steps():
    assert over_time(lp_ft, 2, 4) == ["00", "00", "11", "11"]
    assert over_time(lp_ft, 2, 5) == ["00", "00", "11", "11", "11"]
    assert over_time(lp_ft, 3, 1) == ["111"]


def test_gradual_unfreezing_adds_a_layer_a_part_from_the_last_to_the_first():
    assert over_time(gradual, 2, 6) == ["00", "00", "01", "01", "11", "11"]
    assert over_time(gradual, 3, 4) == ["000", "001", "011", "111"]
    assert over_time(gradual, 1, 3) == ["0", "1", "1"] == over_time(lp_ft, 1, 3)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 100])
def test_every_layer_is_trained_in_the_end(steps):
    for strategy in (lp_ft, gradual):
        found = over_time(strategy, 7, steps)
        assert found[-1] == "1" * 7
        assert found == sorted(found), "a layer that has begun goes on"


def layer(weights, gradients):
    """The parameters of a layer, with gradients."""
    parameters = [torch.nn.Parameter(torch.tensor(values)) for values in weights]
    for parameter, values in zip(parameters, gradients, strict=True):
        parameter.grad = None if values is None else torch.tensor(values)
    return parameters


def rgn(step, state, *layers):
    """The scales after a step of epochs of two, to six digits."""
    now = Moment(tuple("abc"[: len(layers)]), step, 8, 2)
    auto_rgn.observe(now, layers, state)
    return [pytest.approx(scale) for scale in auto_rgn.scales(now, state)]


def test_relative_gradient_norms_of_an_epoch_make_the_scales_of_the_next():
    state = {}
    assert auto_rgn.scales(Moment(("a", "b"), 0, 8, 2), state) == [1, 1]
    norm5, norm13 = [[3.0], [4.0]], [[5.0, 12.0]]
    assert rgn(0, state, layer(norm5, [[10.0], [0.0]]), layer(norm13, [[0.0, 13.0]])) == [1, 0.5]
    assert rgn(1, state, layer(norm5, [[5.0], [0.0]]), layer(norm13, [[0.0, 26.0]])) == [1, 0.5], "not yet"
    assert rgn(2, state, layer(norm5, [[0.0], [5.0]]), layer(norm13, [[26.0, 0.0]])) == [0.5, 1]
    assert rgn(4, state, layer(norm5, [[0.0], [15.0]]), layer(norm13, [[26.0, 0.0]])) == [1, 2 / 3], "forgets"


def test_layers_without_gradients_or_weights():
    flat = layer([[0.0, 0.0]], [[1.0, 1.0]])
    assert rgn(0, {}, flat, layer([[2.0]], [[8.0]]), layer([[2.0]], [[2.0]])) == [1, 1, 0.25]
    assert rgn(0, {}, layer([[1.0]], [None]), layer([[2.0]], [[8.0]])) == [0, 1]
    assert rgn(0, {}, flat, flat) == [1, 1]


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
def test_steps_that_overflow_are_left_out(bad):
    state = {}
    assert rgn(0, state, layer([[1.0]], [[bad]]), layer([[1.0]], [[1.0]])) == [1, 1]
    assert rgn(1, state, layer([[1.0]], [[1.0]]), layer([[1.0]], [[4.0]])) == [0.25, 1], "the next one counts"
    assert rgn(2, state, layer([[1.0]], [[1.0]]), layer([[1.0]], [[bad]])) == [0.25, 1]


def test_a_place_is_counted_from_the_head_over_all_layers():
    names = ["stem", "a", "b", TAIL]
    assert [place_scale(name, names, 0.5) for name in names] == [0.125, 0.25, 0.5, 1]
    assert [place_scale(name, names[:-1], 0.5) for name in names[:-1]] == [0.125, 0.25, 0.5]


@pytest.mark.parametrize("model", ["test_resnet", "test_efficientnet", "test_vit", "test_convnext", "test_byobnet"])
def test_layer_decay_is_timms_but_for_the_tail(model):
    network, segments = shaken_network(model), shaken_trunk(model).original
    network.reset_classifier(CLASSES)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = param_groups_layer_decay(network, weight_decay=0.05, layer_decay=0.75)
    theirs = {names[id(p)]: group["lr_scale"] for group in groups for p in group["params"]}
    places = [segment.name for segment in segments]
    for segment in segments:
        scale = place_scale(segment.name, places, 0.75)
        found = {theirs.pop(name) for name in segment.parameters}
        assert found == {scale} if segment.name != TAIL else found <= {0.75, 1.0}
    assert set(theirs.values()) == {1.0}, "the head"


CASES = {
    "layer decay": {"layer_decay": 0.5},
    "lp_ft": {"strategy": "lp_ft"},
    "gradual": {"strategy": "gradual"},
    "gradual, sgd, decay": {"strategy": "gradual", "optimizer": "sgd", "layer_decay": 0.7},
    "auto_rgn": {"strategy": "auto_rgn"},
    "auto_rgn, adam, decay": {"strategy": "auto_rgn", "optimizer": "adam", "layer_decay": 0.7},
}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["test_resnet", "test_vit"])
@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_a_lane_is_plain_pytorch_on_the_whole_model(model, settings):
    trunk = shaken_trunk(model, fold=False)
    names = [segment.name for segment in trunk.original]
    for trained in ((names[1], names[3]), FULL):
        run = make_run(trained, **settings)
        group = LaneGroup(trunk, [run], images(24).on_device(), CLASSES, shaken_network(model).num_features)
        plain = Plain(model, run, trunk.original, names if trained == FULL else trained)
        for step in range(6):
            group.advance()
            plain.advance(step)
            (lane,) = group.lanes
            reference = plain.network.state_dict()
            for module in lane.lane.trained.values():
                own = states(module)
                assert largest_difference(own, {name: reference[name] for name in own}) < 1e-9
            assert largest_difference(states(lane.lane.head), states(plain.head)) < 1e-9


class Plain:
    """The same training written plainly: a timm model, a parameter group for each layer."""

    def __init__(self, model, run, segments, trained):
        self.network, self.run, self.recipe = shaken_network(model), run, run.recipe
        self.head = new_head(self.network.num_features, CLASSES, run.recipe, run.seed).double()
        self.names, self.trained = [segment.name for segment in segments], list(trained)
        self.owner = {name: segment.name for segment in segments for name in segment.parameters}
        self.layers = {name: [] for name in self.names}
        for name, parameter in self.network.named_parameters():
            self.layers[self.owner[name]].append(parameter)
        groups = [{"params": self.layers[name]} for name in self.trained] + [{"params": self.head.parameters()}]
        kind, more = {
            "adamw": (torch.optim.AdamW, {}),
            "adam": (torch.optim.Adam, {}),
            "sgd": (torch.optim.SGD, {"momentum": 0.9}),
        }[run.recipe.optimizer]
        self.optimizer = kind(groups, lr=1, weight_decay=run.recipe.weight_decay, foreach=False, **more)
        self.norms = []
        self.rgn = dict.fromkeys(self.trained, 1.0)

    def advance(self, step):
        """One of six steps in two epochs, with the cosine schedule."""
        awake = self.awake(step)
        for name, parameters in self.layers.items():
            for parameter in parameters:
                parameter.requires_grad_(name in awake)
        for name, module in self.network.named_modules():
            module.training = self.owner.get(f"{name}.weight") in awake
        epoch, index = divmod(step, 3)
        pixels, labels = images(24).batch(batches(24, 8, epoch_order(24, self.run.seed, epoch))[index])
        self.optimizer.zero_grad()
        F.cross_entropy(self.head(self.network(pixels)), labels).backward()
        if self.recipe.strategy == "auto_rgn":
            self.measure(index == 0)
        rate = self.recipe.lr * (1 + math.cos(math.pi * step / 6)) / 2
        blocks = [name for name in self.names if name != TAIL]
        for name, group in zip(self.trained, self.optimizer.param_groups, strict=False):
            distance = 0 if name == TAIL else len(blocks) - blocks.index(name)
            group["lr"] = rate * self.recipe.layer_decay**distance * self.rgn[name]
        self.optimizer.param_groups[-1]["lr"] = rate
        self.optimizer.step()

    def awake(self, step):
        """The layers that are trained in this step."""
        match self.recipe.strategy:
            case "lp_ft":
                return self.trained if step >= 3 else []
            case "gradual":
                begins = {name: 6 * turn // (len(self.trained) + 1) for turn, name in enumerate(self.trained[::-1], 1)}
                return [name for name in self.trained if step >= begins[name]]
        return self.trained

    def measure(self, first):
        """The relative gradient norms of the step, and at the first step of an epoch the scales of all since then."""

        def norm(tensors):
            return torch.cat([tensor.flatten() for tensor in tensors]).norm().item()

        found = {}
        for name in self.trained:
            used = [p.grad for p in self.layers[name] if p.grad is not None]
            found[name] = norm(used) / norm(self.layers[name])
        self.norms.append(found)
        if first:
            means = {name: sum(norms[name] for norms in self.norms) / len(self.norms) for name in self.trained}
            self.rgn = {name: mean / max(means.values()) for name, mean in means.items()}
            self.norms = []
