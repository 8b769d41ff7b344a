"""ReLUs in place change no bit of a result or gradient, and nothing that somebody else reads."""

import pytest
import torch
from timm.layers import BatchNormAct2d, Conv2dSame
from torch import nn

from subtuning.tuning.fold import fold
from subtuning.tuning.lane import Lane
from subtuning.tuning.overwrite import OverwritingReLU6
from subtuning.tuning.tuning import Tuning
from tests.tiny import CLASSES, shake, shaken_network, shaken_trunk
from tests.tuning.test_fold import X, traced


def overwriting(module):
    return sum(isinstance(part, OverwritingReLU6) or getattr(part, "inplace", False) for part in module.modules())


class Sum(nn.Module):
    """The first ReLU's input is also added; the second reads the sum, and is its only reader if `once`."""

    def __init__(self, once):
        super().__init__()
        self.convolution, self.first, self.second, self.once = nn.Conv2d(3, 3, 1), nn.ReLU6(), nn.ReLU(), once

    def forward(self, x):
        x = self.convolution(x)
        total = x + self.first(x)
        return self.second(total) if self.once else self.second(total) + total


@pytest.mark.parametrize(
    ("module", "count"),
    [
        (nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU()), 1),
        (nn.Sequential(Conv2dSame(3, 6, 3), BatchNormAct2d(6, act_layer=nn.ReLU6, inplace=False)), 1),
        (nn.Sequential(nn.Conv2d(3, 6, 3), nn.SiLU(), nn.ReLU()), 0),
        (nn.Sequential(nn.ReLU(), nn.Conv2d(3, 6, 3)), 0),
        (Sum(once=True), 1),
        (Sum(once=False), 0),
    ],
    ids=["norm between", "in the norm", "other activation", "images", "sum", "sum read twice"],
)
def test_a_relu_writes_only_over_what_nobody_else_reads(module, count, monkeypatch):
    module = traced(shake(module))
    result = fold(module)
    monkeypatch.setattr("subtuning.tuning.fold.overwrite", lambda module: None)
    expected = fold(module)
    assert (overwriting(result), overwriting(expected)) == (count, 0)
    for one, other in zip(answers(result), answers(expected), strict=True):
        assert torch.equal(one, other)


def answers(module):
    """The result, the gradient to the images, and the images, which must stay as they are."""
    x = X.clone().requires_grad_(True)
    result = module(x)
    return result, *torch.autograd.grad(result.square().sum(), [x]), x


@pytest.mark.parametrize("model", ["test_resnet", "tf_efficientnet_lite0"])
def test_a_lane_has_the_same_gradients_and_keeps_less(model, monkeypatch):
    found = gradients(model)
    monkeypatch.setattr("subtuning.tuning.fold.overwrite", lambda module: None)
    expected = gradients(model)
    assert all(torch.equal(one, other) for one, other in zip(found[0], expected[0], strict=True))
    assert found[1] < expected[1] if "lite" in model else found[1] == expected[1]


def gradients(model):
    """Of a lane of the lowest block, and the bytes that are kept for them."""
    trunk, kept = shaken_trunk(model), {}
    torch.manual_seed(0)
    head = nn.Linear(shaken_network(model).num_features, CLASSES).double()
    lane = Lane(trunk, Tuning((trunk.original[1].name,)), head)
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    values = trunk.values_at(x, [lane.cut])[lane.cut]

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = lane(values).square().sum()
    return torch.autograd.grad(loss, lane.trained_parameters), sum(kept.values())
