"""Size, filter and crop of images: the model's own, as timm says, unless the config says otherwise."""

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config

from subtuning.backbones.describe import describe
from subtuning.backbones.preprocessing import preprocessing
from subtuning.config import BackboneEntry
from subtuning.errors import UserError
from subtuning.runs import Backbone as Seen
from subtuning.training.data import Images


def seen_by(model, **changes):
    cfg = timm.models.get_pretrained_cfg(model).to_dict()
    return preprocessing(cfg, BackboneEntry(model=model, **changes)), cfg


@pytest.mark.parametrize(
    ("model", "size", "interpolation", "crop"),
    [
        ("resnet50.tv2_in1k", 224, "bilinear", 0.965),  # pretrained at 176
        ("resnet18.a1_in1k", 288, "bicubic", 1.0),  # pretrained at 224
        ("vit_base_patch16_224.augreg_in21k", 224, "bicubic", 0.9),
        ("tf_efficientnet_lite0", 224, "bicubic", 0.875),
    ],
)
def test_the_models_own_are_those_of_its_evaluation(model, size, interpolation, crop):
    found, cfg = seen_by(model)
    assert (found["input_size"], found["interpolation"], found["crop"]) == (size, interpolation, crop)
    timms = resolve_data_config(pretrained_cfg=cfg, use_test_size=True)
    assert [timms["input_size"][1], timms["interpolation"], timms["crop_pct"]] == [size, interpolation, crop]
    assert (tuple(found["mean"]), tuple(found["std"])) == (timms["mean"], timms["std"])


def test_every_pretrained_model_of_timm_has_a_size_a_filter_and_a_crop():
    for model in timm.list_models(pretrained=True):
        found, _ = seen_by(model)
        assert found["input_size"] >= 32
        assert found["interpolation"] in ("bilinear", "bicubic")
        assert 0.5 < found["crop"] <= 1


def test_the_config_overrides_each():
    changes = {"input_size": 64, "interpolation": "nearest", "crop": 0.5, "mean": [0.1] * 3, "std": [0.2] * 3}
    found, _ = seen_by("resnet18.a1_in1k", **changes)
    assert {key: found[key] for key in changes} == changes
    assert seen_by("resnet50.tv2_in1k", input_size=176)[0]["crop"] == 0.875, "what goes with the size of its training"


def test_the_size_is_explained():
    why = seen_by("resnet50.tv2_in1k")[0]["input_size_is"]
    assert why == (
        "that of its evaluation; it was pretrained on random crops at 176; "
        "input_size: 176 needs 1.6 times less arithmetic"
    )
    assert seen_by("vit_base_patch16_224.dino")[0]["input_size_is"] == "that of its pretraining"
    why = seen_by("resnet50.tv2_in1k", input_size=96)[0]["input_size_is"]
    assert why == "set by input_size; the model was pretrained at 176 and evaluated at 224"


def test_a_filter_that_is_not_offered():
    with pytest.raises(
        UserError, match="interpolation: the model was pretrained with 'lanczos'; set one of nearest, bi"
    ):
        preprocessing({"input_size": (3, 8, 8), "interpolation": "lanczos"}, BackboneEntry(model="test_vit"))


def smooth(count, size):
    """Random colour gradients and edges, uint8 N x size x size x 3."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 7, 9, 3)).astype(np.uint8)
    return np.stack([np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BOX)) for image in coarse])


@pytest.mark.parametrize("stored", [48, 160, 256])
@pytest.mark.parametrize("model", ["test_vit", "test_resnet", "tf_efficientnet_lite0", "resnet18.a1_in1k"])
def test_images_are_as_in_timms_own_evaluation(model, stored):
    """Within what Pillow rounds, after each axis; bicubic overshoots at the edges in these pictures."""
    pixels = smooth(3, stored)
    layers = preprocessing(timm.models.get_pretrained_cfg(model).to_dict(), BackboneEntry(model=model))
    seen = Seen.of(layers | {"model": model, "weights_sha256": "", "granularity": "layer"})
    cfg = timm.models.get_pretrained_cfg(model).to_dict()
    transform = create_transform(**resolve_data_config(pretrained_cfg=cfg, use_test_size=True), is_training=False)
    expected = torch.stack([transform(Image.fromarray(image)) for image in pixels])
    found, _ = Images(pixels, np.zeros(3, np.int64), seen, torch.device("cpu")).batch(np.arange(3))
    assert found.shape == expected.shape
    assert (found - expected).abs().max() * min(seen.std) * 255 < 2


def test_what_is_seen_is_in_the_identity_of_runs():
    layers = describe(BackboneEntry(model="test_resnet", input_size=32))
    seen = Seen.of(layers | {"weights_sha256": "0"})
    assert (seen.interpolation, seen.crop, seen.input_size) == ("bilinear", 0.95, 32)
    assert Seen.of({k: v for k, v in layers.items() if k != "crop"} | {"weights_sha256": "0"}).crop == 1, (
        "an older file"
    )
