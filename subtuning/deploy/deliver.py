"""From a finished evaluation run to a folder that timm loads."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from subtuning.deploy.card import card
from subtuning.deploy.chosen import Agreement, Chosen
from subtuning.deploy.folder import FILES, Model, check_equal, picture, spread, write_model
from subtuning.deploy.merge import Trained
from subtuning.runs.identity import Backbone
from subtuning.runs.predictions import unpack
from subtuning.tasks import Task
from subtuning.tasks.images import ImageError, open_rgb
from subtuning.tasks.task import read_facts
from subtuning.tasks.write import written_aside
from subtuning.training.data import load_source
from subtuning.training.outcome import read_trained

MOST = 1000
"""Test images that are shown to a delivered model, evenly spread over the part."""

BATCH = 32
"""Of these, on how many its logits are compared with those of the trained layers before they were merged."""


def deliver(chosen: Chosen, out: Path) -> Agreement:
    """Write the folder `out` (see `folder.FILES`), config.json last; a reader sees the old, no, or the new model.

    The folder is loaded by timm and compared with the run before it takes its place.

    Returns:
        how it agrees with the record on test images as they are stored, through timm's own transforms.

    Raises:
        UserError: the run's tensors are missing or damaged, or its network is none that timm can load.
    """
    tensors, _ = read_trained(chosen.tensors)
    task, record = chosen.task, chosen.record
    trained = Trained(chosen.layers, chosen.weights, record["identity"], tensors, len(task.classes))
    with written_aside(out) as partial:
        temperature = chosen.calibration.temperature if chosen.calibration else None
        write_model(trained.model(), chosen.layers, task.classes, partial, temperature, task.multilabel)
        model = Model(partial)
        _check(trained, model, task)
        stored, original = _agreements(model, task, record)
        (partial / "delta.safetensors").write_bytes(chosen.tensors.read_bytes())
        text = card(chosen, model, read_facts(task.path), stored, original)
        (partial / "README.md").write_text(text, encoding="utf-8")
        out.mkdir(parents=True, exist_ok=True)
        (out / "config.json").unlink(missing_ok=True)
        for name in FILES:
            with (partial / name).open("rb") as file:
                os.fsync(file.fileno())  # without this a power cut can leave a renamed file that is empty
            (partial / name).chmod(0o644)
            (partial / name).replace(out / name)
    return stored


def _check(trained: Trained, model: Model, task: Task) -> None:
    images = load_source("test", task, Backbone.of(trained.layers), torch.device("cpu"))
    batch = images.batch(np.arange(min(BATCH, len(images))))[0]
    check_equal(trained.logits(batch), model.network(batch), trained.layers["model"])


def _agreements(model: Model, task: Task, record: dict[str, Any]) -> tuple[Agreement, Agreement | None]:
    """On stored images and, where these were resized and the files are still there, on the original ones."""
    pixels, labels = task.part("test")
    rows = spread(len(labels), MOST)
    told = unpack(record["predictions"])[rows]

    def agreement(pictures: Iterator[Image.Image]) -> Agreement:
        found = model.answers(pictures)
        same, right = (_equal(found, others) for others in (told, labels[rows]))
        return Agreement(len(rows), int(same.sum()), int(right.sum()))

    stored = agreement(picture(pixels[row]) for row in rows)
    files = _originals(task) if record["identity"]["split"] == "test" else None  # others learned these very files
    try:
        return stored, files and agreement(open_rgb(files(row)) for row in rows)
    except ImageError:  # moved or changed since it was converted
        return stored, None


def _equal(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Which of N answers are the same; of several labels (N x C) all of them."""
    return left == right if left.ndim == 1 else (left == (right > 0)).all(1)


def _originals(task: Task) -> Callable[[int], Path] | None:
    """Where the file of each test image is, for a source of files that were resized."""
    facts, names = read_facts(task.path), task.names("test")
    source = facts.get("source", {})
    folder = source.get("images") or source.get("path")
    if facts.get("resize", "none") == "none" or not folder or not Path(folder).is_dir() or isinstance(names[0], int):
        return None
    return lambda row: Path(folder, str(names[row]))
