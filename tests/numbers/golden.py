"""Tiny trainings whose numbers are written down: over every choice of the recipe and every method."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from subtuning.backbones.describe import describe
from subtuning.config import BackboneEntry, Config
from subtuning.runs import Backbone, Run, Split, Store
from subtuning.tasks import convert_task, load_task
from subtuning.training.checkpoints import Checkpoints
from subtuning.training.loop import LaneGroup
from subtuning.training.runner import train_missing
from subtuning.training.schedule import Workplace
from subtuning.tuning.precision import low_type
from subtuning.tuning.tuning import FULL, ONLY_HEAD, Tuning
from tests.tiny import CLASSES, CPU, SIZE, images, make_run, pictures, recipe, shaken_network, shaken_trunk

FILE = Path(__file__).with_name("golden.json")

EXACT, LOW = 1e-8, 2e-2
"""Largest relative difference between two machines: in float64, and where layers compute in bf16 or fp16."""

RECIPES: dict[str, dict[str, Any]] = {
    "as usual": {},
    **{f"optimizer {name}": {"optimizer": name} for name in ("adam", "sgd")},
    **{f"schedule {name}": {"schedule": name} for name in ("step", "constant")},
    "warm-up": {"warmup": 0.5},
    **{f"augmentation {name}": {"augmentation": name} for name in ("flip", "crop")},
    "label smoothing": {"label_smoothing": 0.2},
    "class weights": {"class_weights": "balanced"},
    "layer decay": {"layer_decay": 0.5},
    **{f"strategy {name}": {"strategy": name} for name in ("lp_ft", "gradual", "auto_rgn", "measure", "displacement")},
    "mlp head": {"head": "mlp", "head_depth": 2, "head_width": 5},
    **{f"precision {name}": {"precision": name} for name in ("bf16", "fp16")},
}
"""Each changes one thing of the usual recipe; fp32 stands for the full precision, which is float64 here."""

METHODS = {
    "test_resnet": [(), ("stem",), ("layer2.0",), ("layer1.0", "layer4.0"), FULL],
    "test_efficientnet": [("blocks.1.0",), FULL],
    "test_vit": [("blocks.1",), FULL],
}

PICTURES = {"larger": {"size": 48}, "bicubic": {"size": 48, "interpolation": "bicubic"}, "gray": {"channels": 1}}
"""Images that must be resized or given more channels."""


def compute() -> dict[str, Any]:
    """Name of a training -> its numbers: the loss of each epoch, and two sums over the weights that it leaves."""
    found: dict[str, Any] = {}
    for words, changes in RECIPES.items():
        found |= _together("test_resnet", METHODS["test_resnet"], words, changes)
    for model in ("test_efficientnet", "test_vit"):
        for words in ("as usual", "precision bf16"):
            found |= _together(model, METHODS[model], words, RECIPES[words])
    found |= _together("test_resnet", METHODS["test_resnet"], "several labels", {}, several=True)
    for words, changes in PICTURES.items():
        found |= _together("test_resnet", [("layer4.0",)], words, {}, **changes)
    return found | _through_the_store()


def tolerance(name: str) -> float:
    """The relative difference that is allowed for a training."""
    return LOW if "precision" in name else EXACT


def differences(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """What is not as it was, a line each."""
    found = [f"{name}: not in both" for name in now.keys() ^ before.keys()]
    for name in sorted(now.keys() & before.keys()):
        new, old = np.array(now[name]), np.array(before[name])
        if new.shape != old.shape or not np.allclose(new, old, rtol=tolerance(name), atol=tolerance(name)):
            found.append(f"{name}: {old.tolist()} became {new.tolist()}")
    return found


def read() -> dict[str, Any]:
    """The committed file: the version of the numbers, and the trainings."""
    return json.loads(FILE.read_text())


def _together(model: str, subsets: list, words: str, changes: dict, **of_images: Any) -> dict[str, list[float]]:
    low = low_type(changes.get("precision", "fp32"))
    trunk = shaken_trunk(model).in_precision(low) if low is None else _float32(model, low)
    channels, size, several = (of_images.pop(*each) for each in (("channels", 3), ("size", SIZE), ("several", False)))
    source = images(**of_images)
    source.pixels, source.labels = pictures(16, 0, size, channels)
    source.dtype = trunk.dtype
    if several:
        source.labels = np.random.default_rng(0).integers(0, 2, (16, CLASSES), np.uint8)
    if "class_weights" in changes:
        source.labels = np.minimum(source.labels, 1)  # else all weights were 1
    runs = [make_run(subset, **changes) for subset in subsets]
    with torch.no_grad():
        values = trunk.values_at(source.batch(np.arange(2))[0], [len(trunk.frozen)])[len(trunk.frozen)]
    group = LaneGroup(trunk, runs, source.on_device(), CLASSES, values[trunk.output].shape[1])
    while not group.finished:
        group.advance()
    return {
        f"{model} {state.run.tuning}, {words}": [epoch["train_loss"] for epoch in state.curve] + _sums(state.lane)
        for state in group.lanes
    }


def _float32(model: str, low: torch.dtype):
    return shaken_trunk(model).to(CPU, torch.float32).in_precision(low)


def _sums(lane: nn.Module) -> list[float]:
    """The mean of all trained weights, and that of their products with numbers that differ for each."""
    weights = torch.cat([p.detach().double().flatten() for p in lane.parameters() if p.requires_grad])
    marks = torch.rand(len(weights), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return [weights.mean().item(), (weights * marks).mean().item()]


def _through_the_store() -> dict[str, list[float]]:
    """From a task and weights on disk to records: splits, folds, scoring, the loading of weights."""
    with tempfile.TemporaryDirectory() as folder:
        place, base = _new_place(Path(folder))
        splits = [Split("val"), Split("test"), *(Split("cv", 3, fold) for fold in range(3))]
        tunings = (ONLY_HEAD, Tuning(("layer4.0",)))
        runs = [base.with_split(split).with_tuning(tuning) for split in splits for tuning in tunings]
        runs += [base.with_seed(1)]
        train_missing(runs, place)
        return {
            f"{run.split}, {run.tuning}, seed {run.seed}": [
                record["metrics"]["accuracy"],
                record["metrics"]["loss"],
                *(epoch["train_loss"] for epoch in record["curve"]),
            ]
            for run, record in zip(runs, place.store.require(runs), strict=True)
        }


def _new_place(folder: Path) -> tuple[Workplace, Run]:
    parts = {"train": pictures(20, 0), "val": pictures(10, 1), "test": pictures(12, 2)}
    np.savez(folder / "tiny.npz", **{f"{'xy'[i]}_{name}": part[i] for name, part in parts.items() for i in (0, 1)})
    spec = BackboneEntry(model="test_resnet", input_size=SIZE)
    entry = {"source": "arrays", "path": str(folder / "tiny.npz")}
    config = Config(tasks={"tiny": entry}, backbones={"net": spec.model_dump()})
    convert_task("tiny", config.tasks["tiny"], folder / "task", progress=False)
    state = shaken_network(spec.model).state_dict()
    weights = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    save_file(weights, folder / "weights.safetensors")
    layers = describe(spec, "net", folder / "weights.safetensors")
    place = Workplace(
        load_task(folder / "task"),
        layers,
        folder / "weights.safetensors",
        Store(folder / "runs"),
        Checkpoints(folder / "checkpoints"),
        CPU,
        dtype=torch.float64,
    )
    return place, Run(place.task.sha256, Split("val"), Backbone.of(layers), ONLY_HEAD, recipe())
