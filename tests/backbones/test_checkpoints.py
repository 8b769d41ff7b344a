"""Checkpoints as training scripts save them: each loads rightly, or one sentence says what would be right."""

import argparse
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from timm.models import create_model

from subtuning.backbones.weights import fetch_weights, load_weights
from subtuning.errors import UserError

MODEL = "test_vit"


def state_of(classes=10, **args):
    torch.manual_seed(1)
    return create_model(MODEL, num_classes=classes, **args).state_dict()


STATE = state_of()
FEATURES = {name: value for name, value in STATE.items() if not name.startswith("head.")}
OTHER = {name: value / 2 for name, value in FEATURES.items()}


def under(prefix, state):
    return OrderedDict((prefix + name, value) for name, value in state.items())


def fetched(content, folder, name="mine.pth", **args):
    """What is written for a file of this content, and what is said."""
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif name.endswith(".safetensors"):
        save_file({key: value.clone() for key, value in content.items()}, path)
    else:
        torch.save(content, path)
    note = fetch_weights(MODEL, str(path), folder / "out.safetensors", **args)
    return load_file(folder / "out.safetensors"), note


def is_equal(found, expected):
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "prefix",
    ["", "module.", "model.", "backbone.", "_orig_mod.", "_orig_mod.module.", "encoder.", "base_model.", "net.trunk."],
)
def test_prefixes_whatever_the_format(prefix, suffix, tmp_path):
    written, note = fetched(under(prefix, STATE), tmp_path, f"mine{suffix}")
    assert is_equal(written, FEATURES)
    assert note == (f"took {prefix[:-1]}" if prefix else "")


CONTAINERS = {
    "timm": ({"epoch": 3, "state_dict": STATE, "optimizer": {}, "args": argparse.Namespace(lr=0.1)}, "took state_dict"),
    "MAE": (
        {"model": {**FEATURES, "mask_token": torch.zeros(1), "decoder_blocks.0.norm1.weight": torch.zeros(32)}},
        "took model; left out mask_token (1), decoder_blocks (1)",
    ),
    "Lightning": ({"global_step": 10, "state_dict": under("model.", STATE)}, "took state_dict.model"),
    "averaged": (
        {"state_dict": under("module.", OTHER), "state_dict_ema": STATE},
        "took state_dict_ema; weights_key: chooses another: state_dict.module; left out state_dict (78)",
    ),
    "DINO": (
        {
            "student": under("module.backbone.", OTHER),
            "teacher": under("backbone.", FEATURES) | {"head.mlp.0.weight": torch.zeros(4)},
        },
        "took teacher.backbone; weights_key: chooses another: student.module.backbone; left out student (78), "
        "teacher.head (1)",
    ),
    "MoCo": (
        {"state_dict": under("module.momentum_encoder.", OTHER) | under("module.base_encoder.", FEATURES)},
        "took state_dict.module.base_encoder; weights_key: chooses another: state_dict.module.momentum_encoder; "
        "left out state_dict.module.momentum_encoder (78)",
    ),
    "numbers beside": ({**STATE, "epoch": 7, "best": np.float64(71.2)}, ""),
}


@pytest.mark.parametrize("suffix", [".pth", ".pth.tar", ".ckpt"])
@pytest.mark.parametrize("kind", CONTAINERS)
def test_containers_say_what_was_taken_and_what_left_out(kind, suffix, tmp_path):
    content, expected = CONTAINERS[kind]
    written, note = fetched(content, tmp_path, f"mine{suffix}")
    assert is_equal(written, FEATURES)
    assert note == expected


def test_a_key_chooses_another_part(tmp_path):
    content = {"state_dict": OTHER, "state_dict_ema": STATE}
    written, note = fetched(content, tmp_path, key="state_dict")
    assert is_equal(written, OTHER)
    assert note == "took state_dict"
    with pytest.raises(UserError, match=r"weights_key: .* no part 'emma'; it has state_dict, state_dict_ema"):
        fetched(content, tmp_path, key="emma")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_written_in_the_models(dtype, tmp_path):
    written, _ = fetched({name: value.to(dtype) for name, value in STATE.items()}, tmp_path)
    assert is_equal(written, {name: value.to(dtype).float() for name, value in FEATURES.items()})


@pytest.mark.parametrize(("name", "as_name"), [("a.safetensors", "b.pth"), ("a.pth", "b.ckpt"), ("a.pth", "b.npz")])
def test_a_renamed_file_is_what_its_content_is(name, as_name, tmp_path):
    fetched(STATE, tmp_path, name)
    assert is_equal(fetched((tmp_path / name).read_bytes(), tmp_path, as_name)[0], FEATURES)


def test_a_position_table_of_another_size_is_resampled_as_timm_does(tmp_path):
    state = state_of(img_size=224)
    reference = create_model(MODEL, num_classes=10, pretrained=True, pretrained_cfg_overlay={"state_dict": dict(state)})
    fetched(state, tmp_path)
    network, _ = load_weights(tmp_path / "out.safetensors", MODEL)
    assert torch.equal(network.pos_embed, reference.pos_embed)
    assert not torch.equal(network.pos_embed, create_model(MODEL).pos_embed)


def test_at_its_own_size_a_position_table_stays_as_it_is(tmp_path):
    """Not resampled to timm's 160 pixels and back."""
    state = state_of(img_size=224)
    fetched(state, tmp_path)

    def prepare(network):
        network.set_input_size(img_size=(224, 224))
        return network

    network, _ = load_weights(tmp_path / "out.safetensors", MODEL, prepare)
    assert torch.equal(network.pos_embed, state["pos_embed"])


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
WRONG = {
    "git lfs": (LFS, "is a Git LFS pointer of 74 bytes, not the weights; run git lfs pull"),
    "web page": (b"<!DOCTYPE html><html></html>", "is a web page, not weights"),
    "whole model": (create_model(MODEL), r"holds more than tensors \(timm\.layers\.attention\.Attention, .* more\)"),
    "no tensors": ({"model": [1, 2, 3]}, "holds entries such as model, not tensors by name"),
    "a number": (3, "holds a value of type int, not tensors by name; save what model.state_dict"),
    "pairs": (list(STATE.items()), "holds a value of type list, not tensors by name"),
    "gray": (state_of(in_chans=1), "they are for images of 1 channels, and only those for RGB images can be used"),
    "other model": (
        create_model("test_resnet").state_dict(),
        r"do not fit test_vit \(none of its 92 entries \(conv1.0.weight, .* set model: to the one they were trained as",
    ),
    "partly": (
        {"model": {k: v for k, v in STATE.items() if "blocks.3" not in k}},
        r"missing: blocks\.3\.norm1\.weight",
    ),
    "deeper": (STATE | {"blocks.6.norm1.weight": torch.ones(64)}, r"unexpected: blocks\.6\.norm1\.weight"),
    "nan": (
        STATE | {"blocks.2.attn.qkv.bias": torch.full((192,), torch.nan)},
        r"not finite: blocks\.2\.attn\.qkv\.bias holds NaN or infinity",
    ),
    "infinite": ({k: v.double() * 1e300 for k, v in STATE.items()}, "not finite: cls_token, .* more hold NaN"),
}


@pytest.mark.parametrize("suffix", [".pth", ".ckpt"])
@pytest.mark.parametrize("kind", WRONG)
def test_what_cannot_be_used_gives_one_sentence(kind, suffix, tmp_path):
    content, sentence = WRONG[kind]
    with pytest.raises(UserError, match=sentence):
        fetched(content, tmp_path, f"mine{suffix}")
    assert [path.name for path in tmp_path.iterdir()] == [f"mine{suffix}"]


def flax_of(state, depth=6, heads=2, head="head"):
    """A ViT's state under the names and in the shapes of Google's files (kernels are input x output)."""

    def pair(name):
        return {"bias": state[f"{name}.bias"], "kernel": state[f"{name}.weight"].T}

    found = {"cls": state["cls_token"], "Transformer/posembed_input/pos_embedding": state["pos_embed"]}
    kernel = state["patch_embed.proj.weight"].permute(2, 3, 1, 0)
    found |= {"embedding/kernel": kernel, "embedding/bias": state["patch_embed.proj.bias"]}
    for end, name in {"kernel": "head.weight", "bias": "head.bias"}.items():
        found[f"{head}/{end}"] = state[name].mT if end == "kernel" else state[name]
    norms = {"Transformer/encoder_norm": "norm"}
    for block in range(depth):
        there, here = f"Transformer/encoderblock_{block}", f"blocks.{block}"
        norms |= {f"{there}/LayerNorm_0": f"{here}.norm1", f"{there}/LayerNorm_2": f"{here}.norm2"}
        attention = f"{there}/MultiHeadDotProductAttention_1"
        for part, rows in zip(("query", "key", "value"), state[f"{here}.attn.qkv.weight"].chunk(3), strict=True):
            found[f"{attention}/{part}/kernel"] = rows.T.reshape(len(rows), heads, -1)
        for part, rows in zip(("query", "key", "value"), state[f"{here}.attn.qkv.bias"].chunk(3), strict=True):
            found[f"{attention}/{part}/bias"] = rows.reshape(heads, -1)
        out = pair(f"{here}.attn.proj")
        found |= {f"{attention}/out/bias": out["bias"], f"{attention}/out/kernel": out["kernel"].reshape(heads, -1, 64)}
        for number, dense in enumerate(("fc1", "fc2")):
            found |= {f"{there}/MlpBlock_3/Dense_{number}/{k}": v for k, v in pair(f"{here}.mlp.{dense}").items()}
    for there, here in norms.items():
        found |= {f"{there}/scale": state[f"{here}.weight"], f"{there}/bias": state[f"{here}.bias"]}
    return {name: value.contiguous().numpy() for name, value in found.items()}


def test_googles_npz_files(tmp_path):
    np.savez(tmp_path / "vit.npz", **flax_of(STATE))
    fetch_weights(MODEL, str(tmp_path / "vit.npz"), tmp_path / "out.safetensors")
    assert is_equal(load_file(tmp_path / "out.safetensors"), FEATURES)


@pytest.mark.parametrize("kind", ["shallower", "deeper", "another model", "cut off"])
def test_npz_files_of_another_model_are_refused(kind, tmp_path):
    content, path = flax_of(STATE), tmp_path / "vit.npz"
    if kind == "shallower":
        content = {name: value for name, value in content.items() if "encoderblock_5" not in name}
    elif kind == "deeper":
        content |= {name.replace("block_5", "block_6"): value for name, value in content.items() if "block_5" in name}
    np.savez(path, **content)
    if kind == "cut off":
        path.write_bytes(path.read_bytes()[:5000])
    model = "test_resnet" if kind == "another model" else MODEL
    words = {
        "cut off": "damaged",
        "another model": "only for ViT and BiT models",
        "deeper": "values where the model has",
    }
    with pytest.raises(UserError, match=words.get(kind, "do not fit test_vit")):
        fetch_weights(model, str(path), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_plain_arrays_by_name_are_a_state_too(tmp_path):
    np.savez(tmp_path / "mine.npz", **{name: value.numpy() for name, value in STATE.items()})
    fetch_weights(MODEL, str(tmp_path / "mine.npz"), tmp_path / "out.safetensors")
    assert is_equal(load_file(tmp_path / "out.safetensors"), FEATURES)


def test_harmless_values_beside_the_tensors_are_no_code(tmp_path):
    written, _ = fetched({"state_dict": STATE, "path": Path("a"), "metric": np.float32(1.5)}, tmp_path)
    assert is_equal(written, FEATURES)
