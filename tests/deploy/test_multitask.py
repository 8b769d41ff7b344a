"""One network for several tasks gives what each delivered model gives, and computes what they share once."""

import csv
import io
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

import subtuning
from subtuning.cli import main
from subtuning.deploy.deliver import deliver
from subtuning.deploy.folder import BATCH, Model
from subtuning.deploy.multitask import MultiTaskModel, name_tasks
from subtuning.errors import UserError
from subtuning.training.outcome import read_trained
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, Tuning
from tests.deploy.conftest import compared, write_task, write_weights
from tests.tiny import SIZE

TUNINGS = {
    "test_resnet": ("layer2.0", "layer1.0+layer3.0 with lora(rank=2)"),
    "test_vit": ("blocks.2", "blocks.1+blocks.2 with lora(rank=2)"),
    "test_efficientnet": ("blocks.1.0", "stem+blocks.3.0 with biases"),
}
"""Model -> one layer, and layers that are trained in another way."""


@pytest.fixture(scope="module", params=TUNINGS)
def folders(request, tmp_path_factory):
    """The delivered models of five tasks: only a head, one layer, two in another way, everything, and a task of other images."""
    folder = tmp_path_factory.mktemp(request.param)
    write_task(folder)
    layers = write_weights(folder, request.param)
    names = [row["name"] for row in layers["layers"]]
    one, two = (Tuning.parse(text, names) for text in TUNINGS[request.param])
    chosen = compared(folder, layers, {"linear": ONLY_HEAD, "one": one, "two": two, "full": EVERYTHING})
    for name, each in chosen.items():
        deliver(each, folder / name / "model")
    return {name: folder / name / "model" for name in chosen}


def pixels(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("which", [["one"], ["linear", "one"], ["two", "one"], ["full", "one", "two", "linear"]], ids=str)
def test_each_task_gets_what_its_own_model_gives(folders, which):
    """Also where several tasks have changed the same layer."""
    together = MultiTaskModel({name: folders[name] for name in which})
    found = together(pixels())
    assert list(found) == which
    for name in which:
        alone = Model(folders[name])
        assert torch.allclose(found[name], alone.network(pixels()), rtol=1e-4, atol=1e-5)
        assert together.tasks[name] == alone.classes


def test_layers_that_several_tasks_need_unchanged_are_computed_once(folders):
    """The trunk runs to the highest cut, each branch from its own on."""
    together = MultiTaskModel({name: folders[name] for name in ("linear", "one", "full")})
    names = [segment.name for segment in together.trunk.original]
    calls = []
    for layer in {id(m): m for lane in together.lanes for m in [*lane.trained.values()]}.values():
        layer.register_forward_hook(lambda *_: calls.append("own"))
    for layer in together.shared:
        layer.register_forward_hook(lambda *_: calls.append("shared"))
    together(pixels())
    one = names.index(together.cuts["one"])
    assert (together.cuts["linear"], together.cuts["full"]) == (None, names[0])
    assert calls.count("own") == 1 + len(names)
    assert calls.count("shared") == len(names) + (len(names) - one - 1)


def test_weights_are_held_once(folders):
    """A task adds its own layers and head."""
    def size(*which: str) -> int:
        together = MultiTaskModel({name: folders[name] for name in which})
        return sum(parameter.numel() for parameter in together.parameters())

    delta = load_file(folders["one"] / "delta.safetensors")
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    added = sum(tensor.numel() for name, tensor in delta.items() if not name.endswith(statistics))
    assert size("linear", "one") - size("linear") == added


def test_it_is_exported(folders):
    together = MultiTaskModel({name: folders[name] for name in ("one", "two")})
    exported = torch.export.export(together, (pixels(2),)).module()
    for name, logits in together(pixels(2)).items():
        assert torch.allclose(exported(pixels(2))[name], logits, atol=1e-5)


def test_predictions_stand_beside_each_other(comparison, folders, tmp_path, capsys):
    """One row an image, with the columns of every task."""
