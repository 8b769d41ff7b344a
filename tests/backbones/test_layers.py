"""Which layers a model has: names, order, parameters and FLOPs, against counts made by module path or by hand."""

import pytest
import torch
from timm.models import create_model

from subtuning.backbones.describe import build_network, describe
from subtuning.backbones.graph import split_model
from subtuning.backbones.groups import block_of_parameters
from subtuning.config import BackboneEntry
from subtuning.errors import UserError


def blocks(prefix, *counts, inner=""):
    return [f"{prefix}{stage}{inner}.{block}" for stage, count in enumerate(counts) for block in range(count)]


RESNET50 = [f"layer{stage}.{block}" for stage, count in enumerate((3, 4, 6, 3), 1) for block in range(count)]
LAYERS = {
    "resnet50": ["stem", *RESNET50],
    "resnet18": ["stem", *(f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1))],
    "vit_base_patch16_224": ["stem", *(f"blocks.{block}" for block in range(12)), "tail"],
    "convnext_tiny": ["stem", *blocks("stages.", 3, 3, 9, 3, inner=".blocks"), "tail"],
    "swin_tiny_patch4_window7_224": ["stem", *blocks("layers.", 2, 2, 6, 2, inner=".blocks"), "tail"],
    "efficientnet_lite0": ["stem", *blocks("blocks.", 1, 2, 2, 3, 3, 4, 1), "tail"],
    "tf_efficientnet_lite0": ["stem", *blocks("blocks.", 1, 2, 2, 3, 3, 4, 1), "tail"],
}


@pytest.fixture(scope="module", params=LAYERS)
def network_and_layers(request):
    """A model as timm makes it, and its rows of layers.json."""
    small = {} if request.param.startswith(("vit", "swin")) else {"input_size": 32}
    network = create_model(request.param, num_classes=0)
    return request.param, network, describe(BackboneEntry(model=request.param, **small))


@pytest.mark.slow
def test_names_and_order(network_and_layers):
    model, _, description = network_and_layers
    rows = description["layers"]
    assert [row["name"] for row in rows] == LAYERS[model]
    assert [row["order"] for row in rows] == list(range(len(rows)))
    assert [row["kind"] for row in rows] == [name if name in ("stem", "tail") else "layer" for name in LAYERS[model]]


def test_parameters_are_those_of_the_module_of_that_path(network_and_layers):
    model, network, description = network_and_layers
    counts = {row["name"]: row["parameters"] for row in description["layers"]}
    assert sum(counts.values()) == description["total_parameters"] == size_of(network)
    for name, count in counts.items():
        if name not in ("stem", "tail"):
            assert count == size_of(network.get_submodule(name)) + size_of(downsampling(network, name))
    stem = {
        "resnet": lambda: size_of(network.conv1) + size_of(network.bn1),
        "vit": lambda: size_of(network.patch_embed) + network.cls_token.numel() + network.pos_embed.numel(),
        "convnext": lambda: size_of(network.stem),
        "swin": lambda: size_of(network.patch_embed),
        "tf": lambda: size_of(network.conv_stem) + size_of(network.bn1),
        "efficientnet": lambda: size_of(network.conv_stem) + size_of(network.bn1),
    }
    tail = {
        "vit": lambda: size_of(network.norm),
        "convnext": lambda: size_of(network.head.norm),
        "swin": lambda: size_of(network.norm),
        "tf": lambda: size_of(network.conv_head) + size_of(network.bn2),
        "efficientnet": lambda: size_of(network.conv_head) + size_of(network.bn2),
    }
    family = model.split("_")[0].rstrip("0123456789")
    assert counts["stem"] == stem[family]()
    assert counts.get("tail") == (tail[family]() if family in tail else None)


def size_of(module):
    return sum(parameter.numel() for parameter in module.parameters()) if module else 0


def downsampling(network, name):
    """What timm counts to a block although it is not inside its module: ConvNeXt's and Swin's downsampling."""
    stage, _, block = name.partition(".blocks.")
    module = network.get_submodule(stage) if block == "0" else None
    return getattr(module, "downsample", None)


def test_what_timm_counts_to_the_block_before_is_in_that_block():
    """DenseNet's transitions have no number of their own among the blocks."""
    network = create_model("densenet121", num_classes=0)
    rows = describe(BackboneEntry(model="densenet121", input_size=32))["layers"]
    dense = [f"features.denseblock{i}.denselayer{j}" for i, n in enumerate((6, 12, 24, 16), 1) for j in range(1, n + 1)]
    assert [row["name"] for row in rows] == ["stem", *dense, "tail"]
    last, transition = (
        network.get_submodule(f"features.{path}") for path in ("denseblock1.denselayer6", "transition1")
    )
    assert {row["name"]: row["parameters"] for row in rows}[dense[5]] == size_of(last) + size_of(transition)


def test_stages_group_the_layers():
    rows = describe(BackboneEntry(model="resnet18", input_size=32))["layers"]
    assert [row["stage"] for row in rows] == ["stem", *(f"layer{stage}" for stage in (1, 2, 3, 4) for _ in (0, 1))]
    rows = describe(BackboneEntry(model="test_vit", input_size=32))["layers"]
    assert [row["stage"] for row in rows] == ["stem", *["blocks"] * 6, "tail"]


def test_granularity_stage_joins_blocks():
    fine = describe(BackboneEntry(model="resnet18", input_size=32))
    coarse = describe(BackboneEntry(model="resnet18", input_size=32, granularity="stage"))
    assert [row["name"] for row in coarse["layers"]] == ["stem", "layer1", "layer2", "layer3", "layer4"]
    for key in ("parameters", "flops"):
        blocks = {row["name"]: row[key] for row in fine["layers"]}
        sums = {row["name"]: row[key] for row in coarse["layers"]}
        assert sums["layer3"] == blocks["layer3.0"] + blocks["layer3.1"] > 0
    assert coarse["total_flops"] == fine["total_flops"]


@pytest.mark.parametrize("model", ["vit_tiny_patch16_224", "deit_tiny_patch16_224"])
def test_block_1_does_not_catch_blocks_10_and_11(model):
    owners = block_of_parameters(create_model(model, num_classes=0))
    assert len(set(owners.values())) == 12
    assert all(name.startswith(f"{owner}.") for name, owner in owners.items())


@pytest.mark.parametrize(
    "model", ["resnet18", "convnext_atto", "densenet121", "test_coatnet", "test_maxvit", "tf_efficientnet_lite0"]
)
@pytest.mark.parametrize("granularity", ["layer", "stage"])
def test_every_parameter_is_in_exactly_one_segment_which_holds_no_others(model, granularity):
    segments = split_model(build_network(BackboneEntry(model=model)), granularity)
    claimed = [name for segment in segments for name in segment.parameters]
    assert sorted(claimed) == sorted(name for name, _ in create_model(model, num_classes=0).named_parameters())
    for segment in segments:
        assert {name for name, _ in segment.module.named_parameters()} <= set(segment.parameters)


def flops(model, size):
    return {row["name"]: row["flops"] for row in describe(BackboneEntry(model=model, input_size=size))["layers"]}


def test_flops_of_convolutions_by_hand():
    counted = flops("resnet50", 64)  # after the stem 16 x 16 pixels, 64 channels
    assert counted["stem"] == 2 * 32 * 32 * 64 * (3 * 7 * 7)
    pixels = 16 * 16
    assert counted["layer1.1"] == 2 * pixels * (256 * 64 + 64 * 64 * 9 + 64 * 256)
    assert counted["layer1.0"] == 2 * pixels * (64 * 64 + 64 * 64 * 9 + 64 * 256 + 64 * 256)
    depthwise = flops("tf_efficientnet_lite0", 64)
    assert depthwise["stem"] == 2 * 32 * 32 * 32 * (3 * 3 * 3)
    assert depthwise["blocks.0.0"] == 2 * 32 * 32 * (32 * 9 + 32 * 16)
    assert depthwise["tail"] == 2 * 2 * 2 * 320 * 1280


def test_flops_of_attention_by_hand():
    counted = flops("vit_tiny_patch16_224", 64)
    tokens, width = 1 + 4 * 4, 192
    linear = 2 * tokens * (3 * width * width + width * width + 2 * 4 * width * width)
    attention = 2 * 2 * tokens * tokens * width
    assert counted["blocks.3"] == linear + attention
    assert counted["stem"] == 2 * 16 * width * (3 * 16 * 16)


def test_a_description_has_what_later_steps_need():
    description = describe(BackboneEntry(model="tf_efficientnet_lite0", input_size=64, interpolation="bicubic"), "mine")
    assert description["backbone"] == "mine"
    assert description["features"] == 1280
    assert description["input_size"] == 64
    assert description["interpolation"] == "bicubic"
    assert (description["mean"], description["std"]) == ([0.5] * 3, [0.5] * 3)
    assert description["weights_sha256"] is None
    assert describe(BackboneEntry(model="test_vit"))["input_size"] == 160
    own = describe(BackboneEntry(model="test_resnet", input_size=32, mean=[0.1, 0.2, 0.3], std=[0.4, 0.5, 0.6]))
    assert (own["mean"], own["std"]) == ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])


@pytest.mark.parametrize(
    ("model", "changes", "sentence"),
    [
        ("resnet5o", {}, "timm has no model 'resnet5o' \\(did you mean 'resnet50'\\?\\)"),
        ("resnet50.tv2_in1", {}, "no pretrained tag 'tv2_in1' \\(did you mean 'tv2_in1k'\\?\\)"),
        (
            "test_vit",
            {"input_size": 40},
            "input_size: test_vit fails on images of 40 pixels \\(Input height should be .* \\(16\\)\\); try",
        ),
        ("mixer_s32_224", {"input_size": 64}, "input_size: mixer_s32_224 only takes images of 224 pixels, not 64"),
        ("inception_v3", {"input_size": 32}, "input_size: inception_v3 fails on images of 32 pixels"),
    ],
)
def test_models_that_do_not_work_give_one_sentence(model, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        describe(BackboneEntry(model=model, **changes))


def test_describing_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    describe(BackboneEntry(model="test_resnet", input_size=32))
    assert torch.equal(torch.rand(1), expected)
