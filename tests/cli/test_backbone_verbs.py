"""What the verbs about backbones say, and what makes the workflow fetch weights anew."""

import json
from types import SimpleNamespace

import torch
from timm.models import create_model

from subtuning.cli import main
from subtuning.workflow.params import Params


def test_fetch_says_what_was_taken_and_layers_json_keeps_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    state = create_model("test_vit").state_dict()
    torch.save({"state_dict": state, "state_dict_ema": state}, "mine.ckpt")
    spec = {"model": "test_vit", "weights": "mine.ckpt", "weights_key": "state_dict"}
    words = ["--backbone", "mine", "--spec", json.dumps(spec)]
    assert main(["fetch", *words]) == 0
    assert capsys.readouterr().out == "mine.ckpt: took state_dict\n"
    assert main(["describe", *words]) == 0
    layers = json.loads((tmp_path / "results/backbones/mine/layers.json").read_text())
    assert layers["weights_note"] == "took state_dict"
    assert (layers["interpolation"], layers["crop"], layers["input_size_is"]) == (
        "bicubic",
        0.95,
        "that of its pretraining",
    )


def test_layers_says_which_size_and_why(capsys):
    assert main(["layers", "test_resnet", "--input-size", "64"]) == 0
    printed = capsys.readouterr().out
    assert "The size is set by input_size; the model was pretrained at 160.\n" in printed
    assert "It sees the middle 95 % of each side of an image, resized bilinear.\n" in printed


def weights_spec(**backbone):
    params = Params({"tasks": {"digits": {"source": "builtin"}}, "backbones": {"net": backbone}})
    return params.weights_spec(SimpleNamespace(backbone="net"))


def test_only_what_decides_the_weights_fetches_them_anew():
    plain = '{"model":"test_vit","weights":"timm"}'  # as in earlier versions
    assert weights_spec(model="test_vit") == weights_spec(model="test_vit", input_size=96, crop=1) == plain
    assert weights_spec(model="test_vit", weights_key="teacher") != plain


def test_a_folder_with_a_model_is_watched_like_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    backbones = {"net": {"model": "local-dir:model"}}
    params = Params({"tasks": {"digits": {"source": "builtin"}}, "backbones": backbones})
    before = params.weights_state(SimpleNamespace(backbone="net"))
    (tmp_path / "model/config.json").write_text("{}")
    assert before != params.weights_state(SimpleNamespace(backbone="net"))
