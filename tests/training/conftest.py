"""A converted task and a described backbone on disk, and a place to train in."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from subtuning.backbones.describe import describe
from subtuning.config import BackboneEntry, Config
from subtuning.runs import Backbone, Run, Split, Store
from subtuning.tasks import convert_task, load_task
from subtuning.training.checkpoints import Checkpoints
from subtuning.training.loop import LaneGroup
from subtuning.training.runner import train_missing
from subtuning.training.schedule import Workplace
from subtuning.tuning.tuning import FULL, ONLY_HEAD, Tuning
from tests.left_out import leave_out
from tests.tiny import CPU, SIZE, pictures, recipe, shaken_network

SPEC = BackboneEntry(model="test_resnet", input_size=SIZE)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a GPU, leave out the tests that need one; the end of pytest's output names them."""
    if not torch.cuda.is_available():
        leave_out(config, items, "gpu", "torch finds no CUDA GPU")


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    """A folder with a task of 24 / 12 / 16 images, weights, and the description of the backbone."""
    folder = tmp_path_factory.mktemp("inputs")
    parts = {"train": pictures(24, 0), "val": pictures(12, 1), "test": pictures(16, 2)}
    arrays = {f"{letter}_{name}": part[index] for name, part in parts.items() for index, letter in enumerate("xy")}
    np.savez(folder / "tiny.npz", **arrays)
    task = {"source": "arrays", "path": str(folder / "tiny.npz")}
    config = Config(tasks={"tiny": task}, backbones={"net": SPEC.model_dump()})
    convert_task("tiny", config.tasks["tiny"], folder / "task", progress=False)
    state = shaken_network(SPEC.model).state_dict()
    save_file(
        {name: value.float() if value.is_floating_point() else value for name, value in state.items()}, folder / "w"
    )
    (folder / "w").rename(folder / "weights.safetensors")
    return folder


@pytest.fixture(scope="session")
def layers(inputs):
    """The content of layers.json."""
    return describe(SPEC, "net", inputs / "weights.safetensors")


@pytest.fixture
def place(inputs, layers, tmp_path):
    """An empty place to train in, in float64."""
    return new_place(inputs, layers, tmp_path)


def new_place(inputs: Path, layers: dict, results: Path, **changes) -> Workplace:
    """A workplace whose store and checkpoints are under `results`."""
    values = {
        "task": load_task(inputs / "task"),
        "layers": layers,
        "weights": inputs / "weights.safetensors",
        "store": Store(results / "runs"),
        "checkpoints": Checkpoints(results / "checkpoints"),
        "device": CPU,
        "dtype": torch.float64,
    }
    return Workplace(**values | changes)


@pytest.fixture
def base(place):
    """A run to make others from: linear probing on val, two epochs of three steps."""
    return Run(place.task.sha256, Split("val"), Backbone.of(place.layers), ONLY_HEAD, recipe(), names=("tiny", "net"))


@pytest.fixture
def threads():
    """Three threads for torch, as on a larger machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


SUBSETS = [(), ("layer2.0",), ("layer1.0", "layer4.0"), FULL]


def several(base):
    """Four runs that are lanes of one training."""
    return [base.with_tuning(Tuning(subset)) for subset in SUBSETS]


def recipe_of(base, **changes):
    """The same run with other hyperparameters."""
    return replace(base, recipe=base.recipe.model_copy(update=changes))


NUMBERS = ("status", "metrics", "curve", "trainable_parameters", "total_parameters", "flops", "precision")


def numbers(place, runs):
    """What of the records must not depend on how the runs came about."""
    return [{key: record[key] for key in NUMBERS} for record in place.store.require(runs)]


@pytest.fixture(scope="session")
def undisturbed(inputs, layers, tmp_path_factory):
    """The numbers that runs give when nothing happens; each list of runs is trained once."""
    known = {}

    def train(runs):
        key = tuple(run.id for run in runs)
        if key not in known:
            place = new_place(inputs, layers, tmp_path_factory.mktemp("undisturbed"))
            assert train_missing(runs, place) == len(runs)
            known[key] = numbers(place, runs)
        return list(known[key])

    return train


@pytest.fixture
def each_step(monkeypatch):
    """Calls a function with the group before each step; None ends that."""
    advance = LaneGroup.advance

    def use(function):
        def wrapped(group):
            function(group)
            advance(group)

        monkeypatch.setattr(LaneGroup, "advance", wrapped if function else advance)

    return use


@pytest.fixture
def runs(base):
    """Four subsets in two folds and with two seeds on the test set: four orders of images."""
    tested = base.with_split(Split("test"))
    splits = [base.with_split(Split("cv", 2, fold)) for fold in (0, 1)] + [tested.with_seed(seed) for seed in (0, 1)]
    return [run.with_tuning(Tuning(subset)) for run in splits for subset in SUBSETS]
