"""A step never waits for the device: shown on torch's `meta` device, which has no numbers that one could wait for.

`.item()`, `.cpu()`, `bool()` of a tensor and `nonzero` fail there; what goes the other way is looked at.
"""

from contextlib import nullcontext

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from subtuning.backbones.graph import split_model
from subtuning.registry import names_of
from subtuning.training.data import Images
from subtuning.training.loop import LaneGroup
from subtuning.tuning.lane import Trunk
from subtuning.tuning.tuning import FULL
from tests.tiny import CLASSES, backbone, make_run, pictures, shaken_network

META = torch.device("meta")


class Copies(TorchDispatchMode):
    """Notes copies to the device that a GPU would be waited for: those that are not `non_blocking`."""

    def __init__(self):
        super().__init__()
        self.queued, self.waiting = 0, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **kwargs or {})
        places = {value.device.type for value in (*args, found) if isinstance(value, torch.Tensor)}
        if len(places) > 1 and "copy" in function.name():
            asked = (kwargs or {}).get("non_blocking") or (args[2:3] == (True,) and "copy_" in function.name())
            self.queued += bool(asked)
            self.waiting += [] if asked else [function.name()]
        return found


@pytest.fixture(scope="module")
def network():
    return shaken_network("test_resnet")


def steps_of(network, monkeypatch, **recipe):
    """A lane of two layers and one of all, trained for three of an epoch's eight steps."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # of a device that it knows
    trunk = Trunk(split_model(network)).to(META, torch.float64)
    pixels, labels = pictures(64)
    images = Images(torch.from_numpy(pixels).to(META), labels, backbone(), META, torch.float64)
    runs = [make_run(layers, **recipe) for layers in (("layer2.0", "layer4.0"), FULL)]
    group = LaneGroup(trunk, runs, images, CLASSES, network.num_features)
    for state in group.lanes:
        for part in state.optimizer.param_groups:
            part.update(fused=False, foreach=True)  # the one kernel that does it all is not made for this device
    if recipe.get("strategy") == "auto_rgn":  # looks at its norms at an epoch's first step alone
        group.step = 1
        for state in group.lanes:
            state.rates.state["scales"] = [1.0] * len(state.rates.layers)
    with Copies() as copies:
        for _ in range(3):
            group.advance()
    return copies


@pytest.mark.parametrize("augmentation", ["none", "flip", "crop"])
def test_no_step_waits_for_the_device(network, monkeypatch, augmentation):
    copies = steps_of(network, monkeypatch, augmentation=augmentation)
    assert copies.waiting == []
    assert copies.queued >= 3, "at least the labels of each batch"


@pytest.mark.parametrize("strategy", [name for name in names_of("strategies") if name not in ("all", "alternate")])
def test_no_strategy_waits_for_the_device(network, monkeypatch, strategy):
    assert steps_of(network, monkeypatch, strategy=strategy).waiting == []


def test_what_waits_is_seen():
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.ones(3, device=META).sum().item()
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.ones(3, device=META).cpu()
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.ones(3, device=META).nonzero()
    with Copies() as copies:
        torch.ones(3).to(META)
    assert copies.waiting == ["aten::_to_copy"]
