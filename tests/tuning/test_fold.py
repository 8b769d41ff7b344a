"""Folding BatchNorm into the convolution before it: the same numbers from fewer operations."""

import pytest
import torch
from timm.layers import BatchNormAct2d, Conv2dSame, ScaledStdConv2dSame, StdConv2dSame
from torch import fx, nn

from subtuning.backbones.graph import run_segments, split_model
from subtuning.tuning.fold import fold
from tests.tiny import shake, shaken_network, states

LEAVES = (nn.Conv2d, BatchNormAct2d)


def traced(module):
    """A graph module in which convolutions and norms are single nodes, as in a segment."""

    class Tracer(fx.Tracer):
        def is_leaf_module(self, module, path):
            return isinstance(module, LEAVES) or super().is_leaf_module(module, path)

    return fx.GraphModule(module, Tracer().trace(module))


def norms(module):
    return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())


X = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(0)).double()


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)),
        (nn.Conv2d(3, 6, 3, bias=False, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU()),
        (nn.Conv2d(3, 6, 3, groups=3), nn.BatchNorm2d(6, affine=False)),
        (Conv2dSame(3, 6, 3, stride=2), BatchNormAct2d(6)),
        (Conv2dSame(3, 6, 3), BatchNormAct2d(6, apply_act=False), nn.Conv2d(6, 4, 1), BatchNormAct2d(4)),
    ],
)
def test_pairs_become_one_convolution(layers):
    module = traced(shake(nn.Sequential(*layers)))
    before = states(module)
    result = fold(module)
    assert norms(result) == 0
    assert norms(module) > 0
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.allclose(result(X), module(X), atol=1e-12, rtol=0)
    assert not any(parameter.requires_grad for parameter in result.parameters())
    assert not result.training


class Forked(nn.Module):
    """The convolution's output is also used without the norm."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)

    def forward(self, x):
        x = self.convolution(x)
        return x + self.norm(x)


@pytest.mark.parametrize(
    "module",
    [
        Forked(),
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 6, 3)),
        nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.BatchNorm2d(6)),
        nn.Sequential(StdConv2dSame(3, 6, 3), nn.BatchNorm2d(6)),
        nn.Sequential(ScaledStdConv2dSame(3, 6, 3), nn.BatchNorm2d(6)),
    ],
    ids=["used twice", "norm first", "activation between", "standardised", "scaled and standardised"],
)
def test_what_is_no_pair_stays(module):
    module = traced(shake(module))
    result = fold(module)
    assert norms(result) == 1
    assert torch.equal(result(X), module(X))


@pytest.mark.parametrize(
    "model", ["test_resnet", "tf_efficientnet_lite0", "test_byobnet", "resnetv2_50", "mobilenetv3_small_050"]
)
def test_whole_networks_keep_their_features(model):
    network = shaken_network(model)
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    segments = split_model(network)
    expected = run_segments(segments, {segments[0].inputs[0]: x})[segments[-1].outputs[0]]
    values = {segments[0].inputs[0]: x}
    for segment in segments:
        results = fold(segment.module)(*(values[name] for name in segment.inputs))
        values.update(zip(segment.outputs, results, strict=True))
    found = values[segments[-1].outputs[0]]
    assert torch.allclose(found, expected, atol=1e-9 * expected.abs().max().item(), rtol=0)
    assert sum(norms(fold(segment.module)) for segment in segments) < sum(norms(s.module) for s in segments)
