"""What a model may be called: timm's name, an old one, one with the hub's prefix, a repository, a folder."""

import json
import shutil

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from subtuning.backbones.describe import describe
from subtuning.backbones.models import current_name, find_architecture
from subtuning.backbones.weights import fetch_weights, load_weights
from subtuning.config import BackboneEntry
from subtuning.errors import UserError


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("resnet50.tv2_in1k", "resnet50.tv2_in1k"),
        ("timm/resnet50.tv2_in1k", "resnet50.tv2_in1k"),
        ("hf-hub:timm/resnet50.tv2_in1k", "resnet50.tv2_in1k"),
        ("hf_hub:timm/resnet50.tv2_in1k", "resnet50.tv2_in1k"),
        ("vit_base_patch16_224_in21k", "vit_base_patch16_224.augreg_in21k"),
        ("timm/vit_base_patch16_224_in21k", "vit_base_patch16_224.augreg_in21k"),
    ],
)
def test_one_model_by_all_of_its_names(model, name):
    assert find_architecture(model).name == name
    assert find_architecture(model).place == ""


def test_all_old_names_are_those_that_timm_maps():
    old = timm.models.get_deprecated_models()
    assert len(old) > 100
    assert {name: current_name(name) for name in old} == old


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("facebook/dinov2-base", "a repository of the hub is written hf-hub:<owner>/<name>"),
        ("timm/resnet50.tv3_in1k", r"no pretrained tag 'tv3_in1k' \(did you mean 'tv_in1k'\?\)"),
        ("hf-hub:timm/resnet5o", r"timm has no model 'resnet5o' \(did you mean 'resnet50'\?\)"),
        ("local-dir:nowhere", "local-dir:nowhere must be a folder with a config.json and weights"),
    ],
)
def test_other_names_give_one_sentence(model, sentence):
    with pytest.raises(UserError, match=sentence):
        find_architecture(model)


def test_an_old_name_has_weights_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match=r"weights of vit_tiny_patch16_224\.augreg_in21k could not be fetched"):
        fetch_weights("vit_tiny_patch16_224_in21k", "timm", tmp_path / "weights.safetensors")


@pytest.fixture
def folder(tmp_path):
    """A fine-tuned model of 5 classes at 96 pixels with a normalisation of its own, as timm saves it for the hub."""
    torch.manual_seed(3)
    network = timm.create_model("test_vit", num_classes=5, img_size=96)
    data = {"input_size": (3, 96, 96), "mean": (0.1, 0.2, 0.3), "crop_pct": 0.8, "interpolation": "bilinear"}
    timm.models.save_for_hf(network, tmp_path / "mine", model_config={"pretrained_cfg": data}, safe_serialization=True)
    return tmp_path / "mine"


def as_repository(folder, cache, name):
    """The files as the hub's client keeps them."""
    commit, repository = "0" * 40, cache / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text(commit)
    (repository / "snapshots").mkdir()
    folder.rename(repository / "snapshots" / commit)


@pytest.mark.parametrize("place", ["folder", "repository"])
def test_a_timm_model_elsewhere(place, folder, tmp_path, monkeypatch):
    state = load_file(folder / "model.safetensors")
    model = f"local-dir:{folder}"
    if place == "repository":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        as_repository(folder, tmp_path / "cache", "owner/mine")
        model = "hf-hub:owner/mine"
    out = tmp_path / "out.safetensors"
    fetch_weights(model, "timm", out)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "none"))
    shutil.rmtree(folder, ignore_errors=True)  # later steps need neither
    network, digest = load_weights(out, "test_vit")
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert network.pos_embed.shape[1] == 1 + 6 * 6
    found = describe(BackboneEntry(model=model), "mine", out)
    assert (found["model"], found["weights_sha256"]) == ("test_vit", digest)
    assert (found["input_size"], found["mean"], found["crop"]) == (96, [0.1, 0.2, 0.3], 0.8)


def test_a_folder_that_holds_no_usable_model(folder, tmp_path):
    model, out = f"local-dir:{folder}", tmp_path / "out.safetensors"
    save_file({"a": torch.zeros(1)}, folder / "other.safetensors")
    fetch_weights(model, "timm", out)  # the usual name is preferred
    (folder / "model.safetensors").rename(folder / "second.safetensors")
    with pytest.raises(UserError, match=r"one file of weights \(it has other.safetensors, second.safetensors\)"):
        fetch_weights(model, "timm", out)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architecture": "bert"}))
    with pytest.raises(UserError, match=r"holds no model of timm \(its config.json gives architecture 'bert'\)"):
        fetch_weights(model, "timm", out)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model_args": {"checkpoint_path": "/x.pth"}}, "wants to set checkpoint_path, which no config.json may"),
        ({"model_args": {"in_chans": 1}}, "another number of channels than 3"),
        ({"model_args": {"depth": "deep"}}, "timm cannot make the test_vit of"),
        ({"pretrained_cfg": {"mean": "gray"}}, "has mean 'gray', which timm would not write"),
        ({"pretrained_cfg": {"input_size": [3, "big", 0]}}, "has input_size .*, which timm would not write"),
    ],
)
def test_a_config_that_timm_would_not_write(changes, sentence, folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(UserError, match=sentence):
        fetch_weights(f"local-dir:{folder}", "timm", tmp_path / "out.safetensors")


def test_a_repository_that_cannot_be_reached_gives_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match=r"hf-hub:owner/none could not be fetched .* set model: local-dir:<"):
        fetch_weights("hf-hub:owner/none", "timm", tmp_path / "out.safetensors")
