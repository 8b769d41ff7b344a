"""The network cut into segments: run one after the other they are the network, in eval and in train mode."""

import copy

import pytest
import torch
from timm.layers import DropPath
from timm.models import create_model
from torch import nn

from subtuning.backbones.graph import run_segments, split_model
from subtuning.tuning.lane import Lane, Trunk
from subtuning.tuning.tuning import Tuning
from tests.tiny import CPU, shake, shaken_network, states

SMALL = {"img_size": 32, "embed_dim": 48, "depth": 3, "num_heads": 3}
MODELS = {
    "test_resnet": {},
    "resnetv2_50": {"layers": (1, 2), "channels": (32, 64)},
    "test_efficientnet": {},
    "mobilenetv3_small_050": {},
    "regnetx_002": {},
    "densenet121": {"block_config": (2, 3)},
    "test_byobnet": {},
    "test_nfnet": {},
    "test_convnext": {},
    "swin_tiny_patch4_window7_224": {"img_size": 32, "embed_dim": 24, "depths": (2, 2)},
    "test_coatnet": {"img_size": 64},
    "test_maxvit": {"img_size": 64},
    "mixer_s32_224": {"img_size": 64},
    "test_vit": {"img_size": 32},
    "test_vit_relpos": {"img_size": 32},
    "eva02_tiny_patch14_224": SMALL | {"patch_size": 8},
    "beit_base_patch16_224": SMALL,
    "coat_lite_tiny": {"img_size": 64, "serial_depths": (2, 1, 1, 1)},
    "levit_128s": {"img_size": 224},
    "pit_ti_224": {"img_size": 64, "depth": (1, 2, 1)},
}
"""One small member of each family: its options."""


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    """A whole network and two images of a size that it takes."""
    options = MODELS[request.param]
    size = options.get("img_size", 32)
    generator = torch.Generator().manual_seed(0)
    network = shake(create_model(request.param, num_classes=0, **options))
    return network, torch.randn(2, 3, size, size, generator=generator).double()


def test_the_chain_of_segments_is_the_network(model):
    network, x = model
    chain = split_model(copy.deepcopy(network))
    with torch.no_grad():
        assert torch.equal(features(chain, x), network(x))
    for segment in chain:
        segment.module.train()
    plain = copy.deepcopy(network).train()
    for module in plain.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, DropPath):
            module.drop_prob = 0.0
    with torch.no_grad():
        assert torch.equal(features(chain, x), plain(x))


def features(segments, x):
    """What the last segment gives."""
    return run_segments(segments, {segments[0].inputs[0]: x})[segments[-1].outputs[0]]


def test_no_lane_writes_into_values_that_others_share(model):
    network, x = model
    trunk = Trunk(split_model(copy.deepcopy(network))).to(CPU, torch.float64)
    names = [segment.name for segment in trunk.original]
    cuts = sorted({0, 1, len(names) // 2, len(names) - 1, len(names)})
    with torch.no_grad():
        values = trunk.values_at(x.clone(), cuts)
    before = {cut: copy.deepcopy(held) for cut, held in values.items()}
    frozen = [states(segment.module) for segment in trunk.frozen]
    assert torch.equal(values[0][trunk.input], x)
    for cut in cuts:
        lane = Lane(trunk, Tuning(tuple(names[cut : cut + 1])), nn.Identity()).train()
        assert lane.cut == cut
        output = lane(values[cut])
        if cut < len(names):
            output.square().sum().backward()
            assert not [name for name, p in lane.named_parameters() if p.grad is None]
    for cut, held in values.items():
        assert held.keys() == before[cut].keys()
        assert all(torch.equal(value, before[cut][name]) for name, value in held.items() if torch.is_tensor(value))
    for segment, old in zip(trunk.frozen, frozen, strict=True):
        assert all(torch.equal(value, old[name]) for name, value in segment.module.state_dict().items())


class WritesInPlace(nn.Module):
    """Adds to the activation that the layer before it made."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(inplace=True)) for _ in range(3))

    def forward(self, x):
        x = nn.functional.relu(self.stem(x), inplace=True)
        x += self.blocks[0](x)
        x -= self.blocks[1](x)
        x *= self.blocks[2](x)
        return x.mean((2, 3))

    def group_matcher(self, coarse=False):
        return {"stem": r"^stem", "blocks": r"^blocks\.(\d+)"}


def test_in_place_arithmetic_becomes_out_of_place():
    network = WritesInPlace().double()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    expected = network(x)
    trunk = Trunk(split_model(network))
    with torch.no_grad():
        values = trunk.values_at(x, range(5))
    before = copy.deepcopy(values)
    for name in ["blocks.0", "blocks.1", "blocks.2"]:
        assert torch.equal(lane_of(trunk, name)(values[lane_of(trunk, name).cut]), expected)
    for cut, held in values.items():
        assert all(torch.equal(value, before[cut][name]) for name, value in held.items())
    for segment in trunk.original:
        assert not any(getattr(module, "inplace", False) for module in segment.module.modules())
        assert not any(node.kwargs.get("inplace") for node in segment.module.graph.nodes)


def lane_of(trunk, name):
    """A lane without head that trains one layer."""
    return Lane(trunk, Tuning((name,)), nn.Identity())


def test_values_at_each_cut_lead_to_the_same_features():
    network = shake(create_model("densenet121", num_classes=0, **MODELS["densenet121"]))
    x = torch.randn(2, 3, 32, 32).double()
    expected = network(x)
    trunk = Trunk(split_model(network), fold=False)
    cuts = range(len(trunk.original) + 1)
    with torch.no_grad():
        values = trunk.values_at(x, cuts)
        for cut in cuts:
            held = run_segments(trunk.original[cut:], values[cut])
            assert torch.equal(held[trunk.output], expected)
            needed = {name for segment in trunk.original[cut:] for name in segment.inputs} | {trunk.output}
            assert values[cut].keys() <= needed, "keeps what nobody needs"


@pytest.mark.parametrize(("model", "options"), [("test_efficientnet", {}), ("test_vit", {"img_size": 32})])
def test_dropout_and_stochastic_depth_are_off(model, options):
    network = create_model(model, num_classes=0, drop_rate=0.5, drop_path_rate=0.5, **options)
    x = torch.randn(4, 3, 32, 32)
    assert not torch.equal(network.train()(x), network(x)), "nothing to switch off"
    chain = split_model(network)
    for segment in chain:
        segment.module.train()
    with torch.no_grad():
        assert torch.equal(features(chain, x), features(chain, x))


def test_a_model_with_stochastic_depth_by_default_loses_it():
    network = create_model("focalnet_tiny_srf", num_classes=0)
    rates = [module.drop_prob for module in network.modules() if isinstance(module, DropPath)]
    assert max(rates) > 0
    split_model(network)
    assert {module.drop_prob for module in network.modules() if isinstance(module, DropPath)} == {0.0}


def test_segments_hold_the_networks_own_parameters_under_their_own_names():
    network = shaken_network("test_convnext")
    own = dict(network.named_parameters())
    for segment in split_model(network):
        assert segment.parameters == tuple(name for name, _ in network.named_parameters() if name in segment.parameters)
        for name, parameter in segment.module.named_parameters():
            assert parameter is own[name]
