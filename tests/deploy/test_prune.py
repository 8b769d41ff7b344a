"""Pruning removes channels of a task's branch alone, and what is written answers as what was measured."""

import json

import numpy as np
import pytest
import torch

from subtuning.analysis.files import read_csv
from subtuning.cli import main
from subtuning.deploy.deliver import deliver
from subtuning.deploy.folder import Model
from subtuning.deploy.multitask import Delivered
from subtuning.deploy.prune import prune, require_prunable, retrain
from subtuning.errors import UserError
from subtuning.runs.predictions import unpack
from tests.tiny import CPU, SIZE

with_package = pytest.mark.extra("torch_pruning")
convolutional = pytest.mark.parametrize("comparison", ["test_resnet", "test_efficientnet"], indirect=True)


@with_package
@convolutional
def test_the_trunk_stays_and_the_branch_shrinks(comparison, model):
    delivered = Delivered(model)
    whole, half = (prune(delivered, fraction, CPU) for fraction in (0, 0.5))
    names = [segment.name for segment in whole.trunk.original]
    cut = names.index(comparison["mine"].record["identity"]["subset"][0])
    assert [segment.name for segment in half.trunk.original] == names
    images = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    values, others = (each.trunk.values_at(images, [cut])[cut] for each in (whole, half))
    assert all(torch.equal(values[name], others[name]) for name in values)
    sizes = [sum(p.numel() for s in each.trunk.original[cut:] for p in s.module.parameters()) for each in (whole, half)]
    assert sizes[1] < 0.6 * sizes[0]


@with_package
@convolutional
def test_unpruned_it_begins_as_it_was_delivered(comparison, model):
    """On the test images; then it learns, and what is written out answers as the trained lane does."""
    chosen, delivered = comparison["mine"], Delivered(model)
    whole, half = (prune(delivered, fraction, CPU) for fraction in (0, 0.5))
    labels = chosen.task.part("test")[1]
    assert (retrain(whole, chosen.task, 1, 0).before == (unpack(chosen.record["predictions"]) == labels)).all()
    found = retrain(half, chosen.task, 2, 0)
    assert found.after.shape == labels.shape
    images = torch.randn(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        at = half.trunk.values_at(images, [found.lane.cut])[found.lane.cut]
        assert torch.allclose(half.whole(found.lane)(images), found.lane(at), atol=1e-4)
        assert not torch.allclose(half.whole(half.branch)(images), found.lane(at), atol=1e-4), "nothing was learnt"


@with_package
@pytest.mark.slow
@pytest.mark.parametrize("comparison", ["test_resnet"], indirect=True)
def test_the_verb(comparison, model, tmp_path, capsys):
    task = comparison["mine"].task
    (tmp_path / "results/tasks").mkdir(parents=True)
    (tmp_path / "results/tasks/tiny").symlink_to(task.path)
    words = ["--results", str(tmp_path / "results"), "--out", str(tmp_path / "out"), "--fractions", "0.5"]
    words += ["--seeds", "2", "--batch-sizes", "1", "--seconds", "1", "--device", "cpu"]
    assert main(["prune", str(model), *words]) == 0
    table = read_csv(tmp_path / "out/pruned.csv")
    assert table["fraction"].tolist() == [0, 0.5]
    assert table["flops"].is_monotonic_decreasing
    assert table.loc[0, "before"] == pytest.approx(comparison["mine"].record["metrics"]["accuracy"], abs=1e-5)
    assert (table[["ci_low", "mean", "ci_high"]].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert (tmp_path / "out/pruned.svg").exists()
    texts = {"config.json": ""}
    network = torch.export.load(tmp_path / "out/0.5.pt2", extra_files=texts).module()
    assert json.loads(texts["config.json"])["label_names"] == list(task.classes)
    assert network(torch.zeros(3, 3, SIZE, SIZE)).shape == (3, len(task.classes))


@pytest.mark.parametrize("comparison", ["test_resnet"], indirect=True)
def test_what_cannot_be_pruned_is_one_sentence(comparison, model, tmp_path):
    deliver(comparison["linear"], tmp_path / "linear")
    with pytest.raises(UserError, match="linear has only a head of its own, so nothing of it can be pruned"):
        require_prunable(Delivered(tmp_path / "linear"))
    delivered = Delivered(model)
    delivered.identity["split"] = "all"
    with pytest.raises(UserError, match="was trained on all images, so none are left to say what pruning costs"):
        require_prunable(delivered)


@with_package
@pytest.mark.parametrize("comparison", ["test_vit"], indirect=True)
def test_a_transformer_keeps_its_heads(comparison, model):
    """The hidden units of its branch's MLPs go, and it still answers."""
    half = prune(Delivered(model), 0.5, CPU)
    before, after = (dict(network.named_parameters()) for network in (Model(model).network, half.network))
    changed = {name for name in after if after[name].shape != before[name].shape}
    assert changed == {f"blocks.{n}.mlp.fc{m}.{part}" for n in (2, 3, 4, 5) for m in (1, 2) for part in ("weight",)} | {
        f"blocks.{n}.mlp.fc1.bias" for n in (2, 3, 4, 5)
    }
    assert np.isfinite(retrain(half, comparison["mine"].task, 1, 0).after.mean())
