"""One network for several tasks gives what each delivered model gives, and computes what they share once."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import subtuning
from subtuning.backbones.graph import split_model
from subtuning.cli import main
from subtuning.deploy.deliver import deliver
from subtuning.deploy.export import export_model
from subtuning.deploy.folder import Model, write_model
from subtuning.deploy.merge import Trained
from subtuning.deploy.multitask import MultiTaskModel, name_tasks
from subtuning.errors import UserError
from subtuning.runs import Backbone, Split, Store
from subtuning.training.outcome import write_outcome
from subtuning.training.runner import load_network
from subtuning.tuning.head import new_head
from subtuning.tuning.lane import Lane, Trunk
from subtuning.tuning.tuning import Tuning
from tests.deploy.conftest import write_weights
from tests.tiny import SIZE, make_run

TUNINGS = {
    "test_resnet": ("layer2.0", "layer1.0+layer2.0 with lora(rank=2)"),
    "test_vit": ("blocks.2", "blocks.1+blocks.2 with lora(rank=2)"),
    "test_efficientnet": ("blocks.1.0", "stem+blocks.1.0 with biases"),
}
"""Model -> one layer, and the same and another one trained in another way."""


def deliver_moved(out: Path, weights: Path, layers: dict, tuning: str, classes: int, seed: int) -> None:
    """A delivered model whose trained tensors are the pretrained ones, moved as the seed says."""
    wanted = Tuning.parse(tuning, [row["name"] for row in layers["layers"]])
    run = make_run(wanted, seed)
    run = type(run)(run.task, Split("test"), Backbone.of(layers), wanted, run.recipe, seed)
    trunk = Trunk(split_model(load_network(layers, weights), layers["granularity"]), fold=False)
    lane = Lane(trunk, wanted, new_head(layers["features"], classes, run.recipe, seed))
    rng = torch.Generator().manual_seed(seed)
    for tensor in lane.trained_state().values():
        if tensor.is_floating_point():
            tensor.data *= 1 + 0.2 * torch.rand(tensor.shape, generator=rng)
            tensor.data += 0.05 * torch.rand(tensor.shape, generator=rng)
    out.mkdir(parents=True)
    trained = Trained(layers, weights, run.identity(), lane.trained_state(), classes)
    write_model(trained.model(), layers, [f"c{number}" for number in range(classes)], out)
    write_outcome(run, lane, np.zeros((1, classes)), SimpleNamespace(store=Store(out.parent / "runs"), models=out))
    (out / f"{run.id}.safetensors").rename(out / "delta.safetensors")


@pytest.fixture(scope="module", params=TUNINGS)
def folders(request, tmp_path_factory):
    """The delivered models of four tasks: only a head, one layer, two in another way, everything."""
    folder = tmp_path_factory.mktemp(request.param)
    layers = write_weights(folder, request.param)
    one, two = TUNINGS[request.param]
    for number, (name, tuning) in enumerate({"linear": "linear", "one": one, "two": two, "full": "full"}.items()):
        deliver_moved(folder / name / "model", folder / "weights.safetensors", layers, tuning, 3 + number, number)
    return {name: folder / name / "model" for name in ("linear", "one", "two", "full")}


def pixels(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


WHICH = [["one"], ["linear", "one"], ["one", "two"], ["full", "two", "one", "linear"], ["full"]]


@pytest.mark.parametrize("which", WHICH, ids="+".join)
def test_each_task_gets_what_its_own_model_gives(folders, which):
    """Whichever model is named first, and where several have changed one layer, or every layer."""
    together = MultiTaskModel({name: folders[name] for name in which})
    found = together(pixels())
    assert list(found) == which
    for name in which:
        alone = Model(folders[name])
        logits = alone.network(pixels())
        assert (found[name] - logits).abs().max() < 1e-5 * logits.abs().max()
        assert together.tasks[name] == alone.classes
        assert logits.shape == (3, len(alone.classes))


def test_what_no_task_has_changed_is_computed_once(folders):
    """The trunk runs up to the highest cut, and each branch from its own on."""
    together = MultiTaskModel({name: folders[name] for name in ("linear", "one", "full")})
    names, calls = [segment.name for segment in together.trunk.original], []
    for branch in together.lanes:
        for layer in branch.trained.values():
            layer.register_forward_hook(lambda *_: calls.append("own"))
    for layer in together.shared:
        layer.register_forward_hook(lambda *_: calls.append("shared"))
    together(pixels())
    assert (together.cuts["linear"], together.cuts["full"]) == (None, names[0])
    after = len(names) - names.index(together.cuts["one"]) - 1
    assert calls.count("own") == 1 + len(names)
    assert calls.count("shared") == len(names) + after


def test_a_task_adds_only_its_own_layers_and_head(folders):
    def size(*which: str) -> int:
        return sum(p.numel() for p in MultiTaskModel({name: folders[name] for name in which}).parameters())

    delta = load_file(folders["one"] / "delta.safetensors")
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    added = sum(tensor.numel() for name, tensor in delta.items() if not name.endswith(statistics))
    assert size("linear", "one") - size("linear") == added


@pytest.mark.slow
@pytest.mark.parametrize("folders", ["test_efficientnet"], indirect=True)
@pytest.mark.parametrize("form", [pytest.param("onnx", marks=pytest.mark.extra("onnxruntime")), "torch-export"])
def test_it_is_exported(folders, form, tmp_path):
    """For batches of any size, with what config.json says of each task; what is written gives what it gives."""
    together = MultiTaskModel({name: folders[name] for name in ("one", "two")})
    found = export_model(together, list(pixels(3)), form, tmp_path / "both")
    assert (found.images, found.same) == (3, 3)
    if form == "torch-export":
        texts = {"config.json": ""}
        exported = torch.export.load(tmp_path / "both", extra_files=texts).module()
        for name, logits in together(pixels(2)).items():
            assert torch.allclose(exported(pixels(2))[name], logits, atol=1e-5)
            assert json.loads(texts["config.json"])[name]["label_names"] == together.tasks[name]


@pytest.mark.parametrize("comparison", ["test_vit"], indirect=True)
def test_predictions_of_all_tasks_stand_beside_each_other(comparison, model, tmp_path, capsys):
    """With the same numbers as one by one, for models that `deliver` wrote; a broken image is in no row."""
    other = tmp_path / "letters" / "model"
    deliver(comparison["full"], other)
    for row, picture in enumerate(comparison["mine"].task.part("test")[0][:5]):
        Image.fromarray(np.array(picture)).save(tmp_path / f"{row}.png")
    (tmp_path / "2.png").write_text("hello")

    def told(*words) -> list[dict[str, str]]:
        assert main(["predict", *map(str, words), str(tmp_path / "*.png")]) == 2
        return list(csv.DictReader(capsys.readouterr().out.splitlines()))

    both = told(model, "--top", 2, "--also", other)
    first, second = (told(folder, "--top", 2) for folder in (model, other))
    assert [Path(row["image"]).stem for row in both] == ["0", "1", "3", "4"]
    for row, *alone in zip(both, first, second, strict=True):
        for name, own in zip([model.parent.name, "letters"], alone, strict=True):
            for key in ("class", "class_2"):
                assert row[f"{name}_{key}"] == own[key]
                assert float(row[f"{name}_{key.replace('class', 'probability')}"]) == pytest.approx(
                    float(own[key.replace("class", "probability")]), abs=1e-5
                )
        assert len(row) == 9


def test_names_are_what_the_paths_differ_in(tmp_path):
    def names(*paths: str) -> list[str]:
        return list(name_tasks([tmp_path / path for path in paths]))

    assert names("digits/lite0/model", "letters/lite0/model") == ["digits", "letters"]
    assert names("digits/lite0/a", "digits/lite0/b") == ["a", "b"]
    assert names("a/x/model", "a/y/model", "b/x/model") == ["1", "2", "3"]


WRONG = {
    "other weights": r"was made from other pretrained weights \(\w{12}\) than .+ \(\w{12}\); only models of one b",
    "another size": r"has input_size 40 and .+ 32; .+ with the same backbones\.<name>\.input_size",
    "no delta": r"delta\.safetensors is missing, which says what was trained; deliver the model again",
    "cut delta": r"delta\.safetensors is damaged; deliver the model again",
    "no model": r"is no model: it has no config\.json",
    "no folder": r"needs the folder of one delivered model at least",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_models_that_do_not_go_together_are_one_sentence(wrong, tmp_path):
    layers, size = write_weights(tmp_path, "test_resnet"), 40 if wrong == "another size" else SIZE
    deliver_moved(tmp_path / "a", tmp_path / "weights.safetensors", layers, "layer2.0", 3, 0)
    if wrong == "other weights":
        layers = write_weights(tmp_path, "test_resnet", by=0.5)
    deliver_moved(tmp_path / "b", tmp_path / "weights.safetensors", layers | {"input_size": size}, "linear", 3, 1)
    delta = tmp_path / "b" / "delta.safetensors"
    if wrong == "no delta":
        delta.unlink()
    if wrong == "cut delta":
        delta.write_bytes(delta.read_bytes()[:-9])
    if wrong == "no model":
        (tmp_path / "b" / "config.json").unlink()
    with pytest.raises(UserError, match=WRONG[wrong]):
        subtuning.MultiTaskModel([] if wrong == "no folder" else [tmp_path / "a", tmp_path / "b"])
