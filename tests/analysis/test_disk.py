"""What evaluation runs leave takes as much room on the disk as docs/operations.md says."""

import re
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from subtuning.config import load_config
from subtuning.runs.predictions import pack
from subtuning.search.methods import ALWAYS
from subtuning.tasks.manifest import CLASS_COUNTS
from subtuning.tasks.verify import manifest
from subtuning.workspace.clean import size_words

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"(blocks|layer\d)\.\d+\.")


def most_predictions(images, classes):
    """Bytes of N classes in a record that cannot be compressed: base64 makes four of three."""
    return images * np.min_scalar_type(classes - 1).itemsize * 4 / 3


def network_of(model):
    """Bytes of the network without a head, those of its blocks, the largest first, and the number of features."""
    with torch.device("meta"):
        network = timm.create_model(model, num_classes=0)
    blocks = {}
    for name, tensor in network.state_dict().items():
        block = BLOCK.match(name)
        blocks[block and block.group()] = blocks.get(block and block.group(), 0) + tensor.nbytes
    whole = sum(blocks.values())
    blocks.pop(None)
    return whole, sorted(blocks.values(), reverse=True), network.num_features


def lines_of(config):
    """The page's table: for one run (CIFAR-100, ResNet-50), and for all runs of a config at most; bytes of models."""
    known, rounds = manifest(), config.greedy.max_rounds
    sizes = {task: (known[task]["parts"]["test"]["images"], CLASS_COUNTS[task]) for task in config.tasks}
    networks = [network_of(backbone.model) for backbone in config.backbones.values()]
    runs = len(ALWAYS) * len(networks) * config.evaluate.seeds
    said = {task: most_predictions(*size) for task, size in sizes.items()}
    likely = {task: 2 * images * classes for task, (images, classes) in sizes.items()}
    heads = [4 * (features + 1) * classes for *_, features in networks for _, classes in sizes.values()]
    head = 4 * (networks[0][2] + 1) * CLASS_COUNTS["cifar100"]
    trained = {"one layer": [blocks[0] for _, blocks, _ in networks]}
    trained[f"{rounds} layers"] = [sum(blocks[:rounds]) for _, blocks, _ in networks]
    trained["the whole network"] = [whole for whole, *_ in networks]
    many = len(sizes) * config.evaluate.seeds
    rows = [
        ("predicted classes, in the record", said["cifar100"], sum(said.values()) * runs),
        ("probabilities, `runs/??/<id>.npy`", likely["cifar100"], sum(likely.values()) * runs),
        ("the head, in `models/<id>.safetensors`", head, sum(heads) * config.evaluate.seeds * len(ALWAYS)),
        *((f"and {what}", found[0], sum(found) * many) for what, found in trained.items()),
    ]
    lines = [f"| {what} | {size_words(one)} | {size_words(every)} |" for what, one, every in rows]
    return lines, sum(every for *_, every in rows[2:])


def test_the_page_says_what_outcomes_take():
    lines, models = lines_of(load_config(ROOT / "config" / "vtab1k.yaml"))
    assert "\n".join(lines) in (ROOT / "docs" / "operations.md").read_text()
    words = f"{size_words(models).partition('.')[0]} GB"
    assert f"# At most {words}" in (ROOT / "config" / "vtab1k.yaml").read_text()


@pytest.mark.parametrize("classes", [10, 256, 397])
def test_predictions_take_no_more_than_said(classes):
    said = np.random.default_rng(0).integers(0, classes, 30_000)
    said[0] = classes - 1
    assert len(pack(said)) <= most_predictions(30_000, classes) + 40
