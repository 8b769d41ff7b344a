"""Padding the kernel gives the sums that padding the images gives."""

import copy
import os
import subprocess
import sys

import pytest
import torch
from timm.layers import Conv2dSame

from subtuning.tuning import lane
from subtuning.tuning.convolutions import replace_convolutions
from subtuning.tuning.depthwise import SmallImages
from subtuning.tuning.padding import PaddedKernel
from subtuning.tuning.pointwise import Subsampled
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
    after = replace_convolutions(copy.deepcopy(before))
    assert type(after) is PaddedKernel
    images = torch.randn(2, 6, *size, dtype=torch.float64)
    for expected, found in zip(answers(before, images), answers(after, images), strict=True):
        assert torch.allclose(found, expected, atol=1e-12)
    assert after.state_dict().keys() == before.state_dict().keys()


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (7, 5)])
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (2, 2), (3, 4), (4, 4), (6, 6)])
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (1, 2), (2, 2), ((2, 1), 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_gradients_are_the_same_where_the_kernel_is_larger_than_the_image(kernel, size, stride, padding, bias):
    torch.manual_seed(0)
    before = torch.nn.Conv2d(6, 6, kernel, stride, padding, groups=6, bias=bias).double()
    after = replace_convolutions(copy.deepcopy(before))
    assert type(after) is SmallImages
    images = torch.randn(3, 6, *size, dtype=torch.float64).to(memory_format=torch.channels_last)
    try:
        expected = answers(before, images)
    except RuntimeError:  # nothing is left of so small an image
        with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
            after(images)
        return
    for one, other in zip(answers(after, images), expected, strict=True):
        assert torch.allclose(one, other, atol=1e-12)


def test_frozen_weights_cost_nothing_there():
    convolution = replace_convolutions(torch.nn.Conv2d(6, 6, 5, padding=2, groups=6)).requires_grad_(False)
    result = convolution(torch.randn(2, 6, 3, 3, requires_grad=True))
    assert result.grad_fn.name() == "ConvolutionBackward0"
    assert convolution.requires_grad_(True)(torch.randn(2, 6, 3, 3)).grad_fn.name() == "_ByTapsBackward"
    assert convolution(torch.randn(2, 6, 5, 3)).grad_fn.name() == "ConvolutionBackward0", "not larger"


def test_an_image_alone_is_convolved_too():
    convolution = replace_convolutions(torch.nn.Conv2d(6, 6, 5, padding=2, groups=6))
    assert convolution(torch.randn(6, 3, 3)).shape == (6, 3, 3)


def test_grouped_convolutions_that_are_not_depthwise_stay_right():
    before = torch.nn.Conv2d(6, 6, 5, padding=2, groups=3).double()
    images = torch.randn(2, 6, 3, 3, dtype=torch.float64)
    for one, other in zip(
        answers(replace_convolutions(copy.deepcopy(before)), images), answers(before, images), strict=True
    ):
        assert torch.equal(one, other)


def test_strided_convolutions_of_single_places_over_few_channels_skip_places():
    before = torch.nn.Conv2d(3, 5, 1, 2).double()
    after = replace_convolutions(copy.deepcopy(before))
    assert type(after) is Subsampled
    images = torch.randn(2, 3, 7, 8, dtype=torch.float64)
    for one, other in zip(answers(after, images), answers(before, images), strict=True):
        assert torch.allclose(one, other, atol=1e-12)
    assert type(replace_convolutions(torch.nn.Conv2d(8, 5, 1, 2))) is torch.nn.Conv2d


def test_they_write_where_they_may():
    """In a process in which the C library looks for what torch's own gradient does."""
    code = """
import torch
from subtuning.tuning.convolutions import replace_convolutions
images = torch.randn(8, 3, 32, 32).to(memory_format=torch.channels_last).requires_grad_(True)
convolution = replace_convolutions(torch.nn.Conv2d(3, 48, 1, 2, bias=False)).to(memory_format=torch.channels_last)
for _ in range(20):
    convolution(images).square().sum().backward()
"""
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"MALLOC_CHECK_": "3"}, check=True)


def test_only_depthwise_convolutions_change():
    network = replace_convolutions(shaken_network("tf_efficientnet_lite0"))
    kinds = {(type(m), m.groups > 1) for m in network.modules() if isinstance(m, torch.nn.Conv2d)}
    assert kinds == {(Conv2dSame, False), (PaddedKernel, True), (torch.nn.Conv2d, False), (SmallImages, True)}


@pytest.mark.slow
def test_training_gives_the_same_numbers(monkeypatch):
    """Lanes that train such layers, with SAME padding and on images of two pixels, and with such layers above."""
    runs = [make_run(("blocks.3.0",)), make_run(("blocks.5.1",)), make_run(("blocks.1.1",))]
    features = shaken_network("tf_efficientnet_lite0").num_features
    found = train(shaken_trunk("tf_efficientnet_lite0"), runs, features)
    monkeypatch.setattr(lane, "replace_convolutions", lambda module: module)
    expected = train(shaken_trunk("tf_efficientnet_lite0"), runs, features)
    for mine, other in zip(found.lanes, expected.lanes, strict=True):
        for one, two in zip(mine.curve, other.curve, strict=True):
            assert one == pytest.approx(two, rel=1e-9)
