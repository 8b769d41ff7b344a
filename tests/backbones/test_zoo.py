"""One small member of every file of timm/models: cut into layers it is the whole network, in both modes."""

import copy

import pytest
import timm
import torch
from torch import nn

from subtuning.backbones.graph import STEM, TAIL, run_segments, split_model
from subtuning.backbones.tracing import features_of
from subtuning.backbones.zoo import outcome
from tests.tiny import shake

SMALLEST = {
    "beit": "beit_base_patch16_224",
    "byoanet": "halonet_h1",
    "byobnet": "test_byobnet",
    "cait": "cait_xxs24_224",
    "coat": "coat_tiny",
    "convit": "convit_tiny",
    "convmixer": "convmixer_768_32",
    "convnext": "test_convnext",
    "cpubone": "cpubone_nano",
    "crossvit": "crossvit_tiny_240",
    "csatv2": "csatv2",
    "cspnet": "cs3darknet_focus_s",
    "cspnext": "cspnext_tiny",
    "davit": "davit_tiny",
    "deepseek_vit": "deepseek_vit_412m",
    "deit": "deit_tiny_patch16_224",
    "densenet": "densenet121",
    "dla": "dla46x_c",
    "dpn": "dpn48b",
    "edgenext": "edgenext_xx_small",
    "efficientformer": "efficientformer_l1",
    "efficientformer_v2": "efficientformerv2_s0",
    "efficientnet": "test_efficientnet",
    "efficientvim": "efficientvim_m1",
    "efficientvit_mit": "efficientvit_b0",
    "efficientvit_msra": "efficientvit_m0",
    "eva": "vit_tiny_patch16_dinov3_qkvb",
    "fasternet": "fasternet_t0",
    "fastvit": "fastvit_t8",
    "focalnet": "focalnet_tiny_srf",
    "gcvit": "gcvit_xxtiny",
    "gemma4_vit": "gemma4_vit_167m",
    "ghostnet": "ghostnet_050",
    "hardcorenas": "hardcorenas_b",
    "hgnet": "hgnetv2_b0",
    "hiera": "hiera_tiny_224",
    "hieradet_sam2": "sam2_hiera_tiny",
    "hrnet": "hrnet_w18_small",
    "iformer": "iformer_t",
    "inception_next": "inception_next_atto",
    "inception_resnet_v2": "inception_resnet_v2",
    "inception_v3": "inception_v3",
    "inception_v4": "inception_v4",
    "lcnetv2": "lcnetv2_small",
    "levit": "levit_128s",
    "lowformer": "lowformer_b0",
    "mambaout": "test_mambaout",
    "maxxvit": "test_coatnet",
    "metaformer": "poolformerv2_s12",
    "mlp_mixer": "gmlp_ti16_224",
    "mobilenetv3": "lcnet_035",
    "mobilenetv5": "mobilenetv5_base",
    "mobilevit": "mobilevit_xxs",
    "mvitv2": "mvitv2_tiny",
    "naflexvit": "naflexvit_base_patch16_parfac_gap",
    "nasnet": "nasnetalarge",
    "nest": "nest_tiny",
    "nextvit": "nextvit_small",
    "nfnet": "test_nfnet",
    "pit": "pit_ti_224",
    "pnasnet": "pnasnet5large",
    "pvt_v2": "pvt_v2_b0",
    "qwen3_vit": "qwen3_vit_88m",
    "rdnet": "rdnet_tiny",
    "regnet": "regnetx_002",
    "repghost": "repghostnet_050",
    "repvit": "repvit_m1",
    "res2net": "res2next50",
    "resnest": "resnest14d",
    "resnet": "test_resnet",
    "resnetv2": "resnetv2_18",
    "rexnet": "rexnet_100",
    "selecsls": "selecsls42",
    "senet": "legacy_seresnet18",
    "sequencer": "sequencer2d_s",
    "shvit": "shvit_s1",
    "sknet": "skresnet18",
    "starnet": "starnet_s050",
    "swiftformer": "swiftformer_xs",
    "swin_transformer": "swin_tiny_patch4_window7_224",
    "swin_transformer_v2": "swinv2_tiny_window16_256",
    "swin_transformer_v2_cr": "swinv2_cr_tiny_224",
    "tiny_vit": "tiny_vit_5m_224",
    "tnt": "tnt_s_legacy_patch16_224",
    "tresnet": "tresnet_m",
    "twins": "twins_svt_small",
    "vgg": "vgg11",
    "visformer": "visformer_tiny",
    "vision_transformer": "test_vit",
    "vision_transformer_hybrid": "vit_tiny_r_s16_p8_224",
    "vision_transformer_relpos": "test_vit_relpos",
    "vision_transformer_sam": "samvit_base_patch16_224",
    "vitamin": "vitamin_small_224",
    "volo": "volo_d1_224",
    "vovnet": "ese_vovnet19b_slim_dw",
    "xception": "legacy_xception",
    "xception_aligned": "xception41p",
    "xcit": "xcit_nano_12_p8_224",
}
"""Of each file that registers models, the one with the fewest parameters (timm 1.0.31)."""

SHORT = {"depth": 2}
OPTIONS = {
    "beit_base_patch16_224": SHORT,
    "deepseek_vit_412m": SHORT,
    "gemma4_vit_167m": SHORT | {"position_embedding_size": 64},
    "qwen3_vit_88m": SHORT,
    "samvit_base_patch16_224": SHORT | {"global_attn_indexes": (1,)},
    "naflexvit_base_patch16_parfac_gap": SHORT,
    "nasnetalarge": {"num_features": 672, "stem_size": 24},
}
"""What makes the largest of them smaller, with layers of the same kind."""


def test_every_file_of_timm_has_a_member_here():
    assert {timm.model_entrypoint(name).__module__.rpartition(".")[2] for name in timm.list_models()} == set(SMALLEST)
    assert all(timm.model_entrypoint(model).__module__.endswith(f".{file}") for file, model in SMALLEST.items())


@pytest.mark.slow
@pytest.mark.parametrize("model", SMALLEST.values())
def test_the_layers_of_every_file_are_the_network(model):
    network = shake(timm.create_model(model, num_classes=0, **OPTIONS.get(model, {})), torch.float32)
    chain = split_model(copy.deepcopy(network))
    assert len(chain) > 2
    plain, x = without_chance(network), images_for(network)
    for segment in chain:
        segment.module.eval()
    with torch.no_grad():
        assert_equal(features(chain, x), features_of(plain.eval()(x)))
        for segment in chain:
            segment.module.train()
        assert_equal(features(chain, x), features_of(plain.train()(x)))


def assert_equal(ours, theirs):
    """To the last bit: both do the same operations in the same order."""
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def features(segments, x):
    """What the last segment gives."""
    return run_segments(segments, {segments[0].inputs[0]: x})[segments[-1].outputs[0]]


def images_for(network):
    """Two images, as small as the network takes."""
    native = network.pretrained_cfg["input_size"][1]
    for size in [native] if hasattr(network, "set_input_size") else [64, 96, 112, 128, native]:
        x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
        try:
            with torch.no_grad():
                network.eval()(x)
        except (RuntimeError, AssertionError, ValueError):
            continue
        return x
    raise AssertionError(f"no size fits {type(network).__name__}")


def without_chance(network):
    """The network without dropout, stochastic depth and shifted coordinates."""
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
        for name in {"drop_prob", "drop_rate", "aug_active"} & vars(module).keys():
            setattr(module, name, 0.0)
    return network


INSIDE = {
    "pvt_v2_b0": ["stages.0.blocks.0", "stages.0.blocks.1", "stages.1.blocks.0"],
    "coatnet_nano_rw_224": ["stages.0.blocks.0", "stages.0.blocks.1", "stages.0.blocks.2"],
    "maxvit_tiny_tf_224": ["stages.0.blocks.0", "stages.0.blocks.1", "stages.1.blocks.0"],
    "efficientformer_l1": ["stages.0.blocks.0", "stages.0.blocks.1", "stages.0.blocks.2"],
    "poolformer_s12": ["stages.0.blocks.0", "stages.0.blocks.1", "stages.1.blocks.0"],
    "pit_ti_224": ["transformers.0.blocks.0", "transformers.0.blocks.1", "transformers.1.blocks.0"],
    "csatv2": ["stages.0.0", "stages.0.1", "stages.1.1"],
    "levit_128s": ["stages.0.blocks.0", "stages.0.blocks.1", "stages.1.blocks.0"],
    "vit_small_r26_s32_224": [f"patch_embed.backbone.stages.0.blocks.{n}" for n in (0, 1)],
}


@pytest.mark.slow
@pytest.mark.parametrize("model", INSIDE)
def test_blocks_inside_stages_and_hybrids(model):
    found = outcome(model)
    assert not found["refused"]
    assert found["layers"][0] == STEM
    assert found["layers"][1 : len(INSIDE[model]) + 1] == INSIDE[model]
    assert not found["undivided"]


def test_a_hybrids_embedding_is_a_layer_after_its_convolutional_network():
    layers = outcome("vit_small_r26_s32_224")["layers"]
    at = layers.index("patch_embed")
    assert layers[at - 1].startswith("patch_embed.backbone.stages.3.")
    assert layers[at + 1] == "blocks.0"


def test_two_lists_of_blocks_do_not_merge():
    """CaiT's matcher numbers the class attention's blocks like the last blocks before, which run earlier."""
    layers = outcome("cait_xxs24_224")["layers"]
    assert layers == [STEM, *(f"blocks.{n}" for n in range(24)), "blocks_token_only.0", "blocks_token_only.1", TAIL]


def test_two_groups_of_one_title_are_an_error():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([nn.Linear(2, 2)])

        def group_matcher(self, coarse=False):
            return {"a": r"^blocks\.(\d+)\.weight", "b": r"^blocks\.(\d+)\.bias"}

    with pytest.raises(AssertionError, match="two groups of parameters of Twice have one title"):
        split_model(Twice())


@pytest.mark.parametrize(
    ("model", "offered"),
    [("tf_efficientnet_lite0", True), ("test_nfnet", True), ("test_vit", False), ("test_convnext", False)],
)
def test_a_tail_is_offered_if_it_holds_more_than_norms(model, offered):
    found = outcome(model)
    assert TAIL in found["layers"]
    assert (TAIL in found["candidates"]) == offered


@pytest.mark.parametrize(
    ("model", "several"),
    [
        ("coat_lite_tiny", [f"serial_blocks{n}" for n in (1, 2, 3, 4)]),
        ("coat_tiny", ["serial_blocks1", "serial_blocks2"]),
        ("hrnet_w18_small", ["stage2.0", "stage3.0", "stage4.0"]),
    ],
)
def test_layers_that_hold_several_blocks_are_named(model, several):
    assert outcome(model)["undivided"] == several


def test_an_encoder_without_pooling_gives_the_mean_of_its_tokens():
    assert torch.equal(features_of(torch.ones(2, 3, 4)), torch.ones(2, 4))
    assert features_of(torch.ones(2, 5, 3, 3)).shape == (2, 5)
    assert features_of(torch.ones(2, 5)).shape == (2, 5)


def test_a_model_that_is_refused_says_why():
    assert outcome("test_vi")["refused"].startswith("timm has no model 'test_vi'")
