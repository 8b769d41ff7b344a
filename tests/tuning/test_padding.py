"""Padding the kernel gives the sums that padding the images gives."""

import copy

import pytest
import torch
from timm.layers import Conv2dSame

from subtuning.tuning import lane
from subtuning.tuning.padding import PaddedKernel, pad_kernels
from tests.tiny import make_run, shaken_network, shaken_trunk, train


def answers(convolution, images):
    """The output, and the gradients of a weighted sum of it to images, weights and bias."""
    images = images.clone().requires_grad_(True)
    result = convolution(images)
    weights = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).reshape(result.shape)
    return [result, *torch.autograd.grad((result * weights).sum(), [images, *convolution.parameters()])]


@pytest.mark.parametrize("size", [(5, 8), (6, 6), (7, 9), (16, 15)])
@pytest.mark.parametrize("kernel", [(2, 2), (3, 3), (3, 5), (5, 5)])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 1), ((2, 1), 1), (2, 2)])
def test_sums_and_gradients_are_those_of_padded_images(size, kernel, stride, dilation):
    torch.manual_seed(0)
    before = Conv2dSame(6, 6, kernel, stride, dilation=dilation, groups=6).double()
    after = pad_kernels(copy.deepcopy(before))
    assert type(after) is PaddedKernel
    images = torch.randn(2, 6, *size, dtype=torch.float64)
    for expected, found in zip(answers(before, images), answers(after, images), strict=True):
        assert torch.allclose(found, expected, atol=1e-12)
    assert after.state_dict().keys() == before.state_dict().keys()


def test_only_depthwise_convolutions_with_same_padding_change():
    network = pad_kernels(shaken_network("tf_efficientnet_lite0"))
    kinds = {(type(m), m.groups > 1) for m in network.modules() if isinstance(m, torch.nn.Conv2d)}
    assert (Conv2dSame, False) in kinds, "the stem"
    assert (PaddedKernel, True) in kinds
    assert (Conv2dSame, True) not in kinds
    assert (PaddedKernel, False) not in kinds


@pytest.mark.slow
def test_training_gives_the_same_numbers(monkeypatch):
    """One lane that trains such a layer, one with such layers above it."""
    runs = [make_run(("blocks.3.0",)), make_run(("blocks.1.1",))]
    features = shaken_network("tf_efficientnet_lite0").num_features
    found = train(shaken_trunk("tf_efficientnet_lite0"), runs, features)
    monkeypatch.setattr(lane, "pad_kernels", lambda module: module)
    expected = train(shaken_trunk("tf_efficientnet_lite0"), runs, features)
    for mine, other in zip(found.lanes, expected.lanes, strict=True):
        for one, two in zip(mine.curve, other.curve, strict=True):
            assert one == pytest.approx(two, rel=1e-9)
