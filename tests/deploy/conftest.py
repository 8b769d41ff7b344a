"""A finished comparison of tiny networks, in the precision that timm loads, and the model that was delivered of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from subtuning.analysis.tables.evaluation import evaluation_table
from subtuning.backbones.describe import describe
from subtuning.config import BackboneEntry, parse_entry
from subtuning.config.tasks import ArraysTask
from subtuning.deploy.chosen import Chosen
from subtuning.deploy.deliver import deliver
from subtuning.runs import Backbone, Run, Split
from subtuning.tasks import convert_task, load_task
from subtuning.training.runner import train_missing
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, Tuning
from tests.tiny import SIZE, pictures, recipe, shaken_network
from tests.training.conftest import new_place

MODELS = {"test_resnet": "layer2.0", "test_vit": "blocks.2", "test_efficientnet": "blocks.1.0"}
"""Model -> the layer of it that is trained."""


def write_task(folder: Path, size: int = SIZE, **keys: object) -> Path:
    """A converted task of 24 / 12 / 16 pictures of `size` pixels, in `folder`/task."""
    parts = {"train": pictures(24, 0, size), "val": pictures(12, 1, size), "test": pictures(16, 2, size)}
    arrays = {f"{letter}_{name}": part[index] for name, part in parts.items() for index, letter in enumerate("xy")}
    np.savez(folder / "tiny.npz", **arrays)
    entry = parse_entry(ArraysTask, {"source": "arrays", "path": str(folder / "tiny.npz"), **keys}, "task")
    convert_task("tiny", entry, folder / "task", progress=False)
    return folder / "task"


def write_weights(folder: Path, model: str, by: float = 1.0) -> dict:
    """Weights of a network in which every parameter matters, times `by`, in `folder`; returns its layers.json."""
    state = {n: v.float() * by if v.is_floating_point() else v for n, v in shaken_network(model).state_dict().items()}
    save_file(state, folder / "weights.safetensors")
    spec = BackboneEntry(model=model, input_size=SIZE, crop=1)
    return describe(spec, "net", folder / "weights.safetensors")


def base_run(task: str, layers: dict) -> Run:
    """Linear probing as `compared` tests it, with seed 0."""
    return Run(task, Split("test"), Backbone.of(layers), ONLY_HEAD, recipe(), names=("tiny", "net"))


def compared(folder: Path, layers: dict, tunings: dict[str, Tuning]) -> dict[str, Chosen]:
    """Train methods with two seeds in a folder of `write_task` and `write_weights`; each as it would be delivered."""
    place = new_place(folder, layers, folder, dtype=torch.float32, models=folder / "models")
    base = base_run(place.task.sha256, layers)
    runs = {name: [base.with_tuning(t).with_seed(seed) for seed in (0, 1)] for name, t in tunings.items()}
    train_missing([run for own in runs.values() for run in own], place)
    records = {name: place.store.require(own) for name, own in runs.items()}
    task = load_task(folder / "task")
    table = evaluation_table(records, layers, task.part("test")[1])
    files = {name: folder / "models" / f"{own[0]['id']}.safetensors" for name, own in records.items()}
    weights = folder / "weights.safetensors"
    return {n: Chosen(n, own[0], own[0], table, files[n], task, layers, weights) for n, own in records.items()}


@pytest.fixture(scope="session", params=MODELS)
def comparison(request, tmp_path_factory):
    """What may be delivered of a comparison: linear, one layer, full."""
    folder = tmp_path_factory.mktemp(request.param)
    write_task(folder)
    layers = write_weights(folder, request.param)
    tunings = {"linear": ONLY_HEAD, "mine": Tuning((MODELS[request.param],)), "full": EVERYTHING}
    return compared(folder, layers, tunings)


@pytest.fixture(scope="session")
def model(comparison, tmp_path_factory):
    """The folder of the model `mine`."""
    folder = tmp_path_factory.mktemp("delivered") / "model"
    deliver(comparison["mine"], folder)
    return folder
