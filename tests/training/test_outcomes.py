"""What a run leaves beside its numbers: predicted classes, probabilities, trained tensors."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from subtuning.analysis.metrics import answers
from subtuning.errors import UserError
from subtuning.runs import Split
from subtuning.runs.predictions import pack, unpack
from subtuning.training.data import load_source
from subtuning.training.outcome import read_trained
from subtuning.training.runner import load_trunk, train_missing
from subtuning.tuning.lane import Lane
from subtuning.tuning.tuning import FULL, Tuning
from tests.tiny import CLASSES
from tests.training.conftest import new_place, several


@pytest.fixture
def keeping(place, tmp_path):
    """A place that keeps models."""
    return replace(place, models=tmp_path / "models")


@pytest.mark.parametrize("most", [1, 255, 256, 70_000])
def test_classes_can_be_read_back(most):
    classes = np.random.default_rng(0).integers(0, most + 1, 1000)
    classes[0] = most
    assert (unpack(pack(classes)) == classes).all()
    assert len(pack(np.zeros(10_000, np.int64))) < 100


@pytest.mark.parametrize("split", [Split("val"), Split("cv", 2, 1), Split("test")])
def test_every_record_holds_the_predicted_classes(keeping, base, split):
    runs = [run.with_split(split) for run in several(base)]
    train_missing(runs, keeping)
    for record in keeping.store.require(runs):
        said = answers(record, keeping.task)
        right = (said["label"] == said["predicted"]).to_numpy()
        assert (said["label"] == said["predicted"]).mean() == right.mean() == record["metrics"]["accuracy"]
        hits = record["metrics"].get("hits")
        assert hits is None or hits == np.packbits(right).tobytes().hex()
        assert (hits is None) == (split.kind == "test")
    probabilities = [keeping.store.probabilities(record) is not None for record in keeping.store.require(runs)]
    assert probabilities == [split.kind == "test"] * 4
    assert keeping.models.exists() == (split.kind == "test")


def test_probabilities_go_with_the_predicted_classes(keeping, base):
    run = base.with_split(Split("test"))
    train_missing([run], keeping)
    (record,) = keeping.store.require([run])
    probabilities = keeping.store.probabilities(record)
    assert (probabilities.shape, probabilities.dtype) == ((record["metrics"]["n"], CLASSES), np.float16)
    assert np.allclose(probabilities.sum(1), 1, atol=5e-3)
    assert (probabilities.argmax(1) == unpack(record["predictions"])).mean() > 0.9, "but for ties of half precision"


@pytest.mark.parametrize("trained", [(), ("layer2.0",), FULL])
def test_the_trained_tensors_give_the_predictions_again(keeping, base, trained):
    run = base.with_split(Split("test")).with_tuning(Tuning(trained))
    train_missing([run], keeping)
    tensors, about = read_trained(keeping.models / f"{run.id}.safetensors")
    assert (about["run"], about["task"], about["tuning"]) == (run.id, run.task, str(run.tuning))
    assert json.loads(about["identity"]) == run.identity()
    trunk = load_trunk(keeping)
    lane = Lane(trunk, run.tuning, torch.nn.Linear(keeping.layers["features"], CLASSES).double()).eval()
    assert set(lane.trained_state()) == set(tensors), "only what was trained, by the backbone's own names"
    for name, tensor in lane.trained_state().items():
        tensor.data.copy_(tensors[name])
    images = load_source("test", keeping.task, run.backbone, keeping.device, keeping.dtype)
    with torch.no_grad():
        values = trunk.values_at(images.batch(np.arange(len(images)))[0], [lane.cut])[lane.cut]
        logits = lane(values)
    (record,) = keeping.store.require([run])
    assert (logits.argmax(1).numpy() == unpack(record["predictions"])).all()


@pytest.mark.parametrize("damage", ["cut", "empty", "changed", "other"])
def test_damaged_files_are_one_sentence(keeping, base, damage):
    run = base.with_split(Split("test"))
    train_missing([run], keeping)
    (record,) = keeping.store.require([run])
    files = keeping.store.probabilities_path(run.id), keeping.models / f"{run.id}.safetensors"
    for file in files:
        content = file.read_bytes()
        changed = content[:-1] + bytes([content[-1] ^ 64])
        file.write_bytes({"cut": content[:-9], "empty": b"", "changed": changed, "other": b"{}" * 99}[damage])
    with pytest.raises(UserError, match=f"{run.id}.npy is damaged; remove it and the record beside it"):
        keeping.store.probabilities(record)
    with pytest.raises(UserError, match=f"{run.id}.safetensors is damaged; remove it and the record of run {run.id}"):
        read_trained(files[1])


def test_runs_of_an_earlier_version_have_none(keeping, base):
    run = base.with_split(Split("test"))
    train_missing([run], keeping)
    keeping.store.probabilities_path(run.id).unlink()
    (record,) = keeping.store.require([run])
    assert keeping.store.probabilities(record) is None
    with pytest.raises(UserError, match="left no predictions; remove its record to train it again"):
        answers({key: value for key, value in record.items() if key != "predictions"}, keeping.task)
    with pytest.raises(UserError, match="safetensors is missing: it is no evaluation run's"):
        read_trained(keeping.models / "0.safetensors")


def test_models_can_be_switched_off(place, base):
    assert place.models is None
    train_missing([base.with_split(Split("test"))], place)
    assert not list(place.store.folder.parent.rglob("*.safetensors"))


def test_what_was_trained_is_there_before_the_record(keeping, base, monkeypatch):
    """A kill between the two leaves files that nobody needs, never a record without them."""
    run = base.with_split(Split("test"))
    monkeypatch.setattr(type(keeping.store), "add", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train_missing([run], keeping)
    assert keeping.store.probabilities_path(run.id).exists()
    assert (keeping.models / f"{run.id}.safetensors").exists()
    monkeypatch.undo()
    assert train_missing([run], keeping) == 1
    assert next(iter(keeping.store))["id"] == run.id


def test_without_models_nothing_else_changes(inputs, layers, keeping, base, tmp_path):
    run = base.with_split(Split("test"))
    other = new_place(inputs, layers, tmp_path / "other")
    train_missing([run], keeping)
    train_missing([run], other)
    drop = ("seconds", "images_per_second", "started")
    plain = [{k: v for k, v in p.store.require([run])[0].items() if k not in drop} for p in (keeping, other)]
    assert plain[0] == plain[1]
