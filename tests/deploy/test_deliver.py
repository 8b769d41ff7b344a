"""A delivered folder: timm alone loads it, and it says of image files what the run's record holds."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors import safe_open
from timm.data import create_transform, resolve_data_config

from subtuning.config import parse_entry
from subtuning.config.tasks import FolderTask
from subtuning.deploy.deliver import deliver
from subtuning.deploy.folder import FILES, Model
from subtuning.errors import UserError
from subtuning.runs import Split
from subtuning.runs.predictions import unpack
from subtuning.tasks import convert_task
from subtuning.training.runner import train_missing
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD
from tests.deploy.conftest import base_run, compared, write_task, write_weights
from tests.tasks.pictures import save
from tests.tiny import CLASSES, SIZE, pictures
from tests.training.conftest import new_place


def test_a_model_of_all_images_has_no_test_score(tmp_path):
    """Nothing of its run can be taken for one either."""
    write_task(tmp_path)
    layers = write_weights(tmp_path, "test_vit")
    chosen = compared(tmp_path, layers, {"linear": ONLY_HEAD, "full": EVERYTHING})["full"]
    run = base_run(chosen.task.sha256, layers).with_tuning(EVERYTHING)
    assert run.id == chosen.record["id"]
    everything = run.with_split(Split("all"))
    place = new_place(tmp_path, layers, tmp_path, dtype=torch.float32, models=tmp_path / "models")
    train_missing([everything], place)
    (record,) = place.store.require([everything])
    assert (record["status"], record["metrics"]) == ("done", None)
    assert not place.store.probabilities_path(everything.id).exists()
    tensors = tmp_path / "models" / f"{everything.id}.safetensors"
    assert deliver(replace(chosen, record=record, tensors=tensors), tmp_path / "model")[:2] == (16, 16)
    card = (tmp_path / "model" / "README.md").read_text()
    assert "**This model has no test score.** After the comparison *full* was trained once more with seed 0" in card
    assert f"its run with this seed {chosen.record['metrics']['accuracy']:.1%} of the test images." in card
    assert "- train 24, val 12, test 16 images, all of which trained this model" in card
    assert "model-index" not in card
    assert "metrics:" not in card


def as_png(task, folder: Path) -> list[Path]:
    """The test images as files."""
    images, _ = task.part("test")
    files = [folder / f"{row}.png" for row in range(len(images))]
    for file, pixels in zip(files, images, strict=True):
        Image.fromarray(np.array(pixels)).save(file)
    return files


@pytest.mark.parametrize("method", ["linear", "mine", "full"])
def test_from_png_files_timm_gives_the_recorded_predictions(comparison, method, tmp_path):
    """Nothing of this package is used after the delivery."""
    chosen = comparison[method]
    assert deliver(chosen, tmp_path / "model")[:2] == (16, 16)
    network = timm.create_model(f"local-dir:{tmp_path / 'model'}", pretrained=True).eval()
    transform = create_transform(**resolve_data_config(model=network))
    seen = torch.stack([transform(Image.open(file).convert("RGB")) for file in as_png(chosen.task, tmp_path)])
    with torch.no_grad():
        found = network(seen).argmax(1)
    assert found.tolist() == unpack(chosen.record["predictions"]).tolist()
    accuracy = (found.numpy() == chosen.task.part("test")[1]).mean()
    assert accuracy == chosen.record["metrics"]["accuracy"]


def test_what_the_folder_holds(comparison, model):
    chosen, layers = comparison["mine"], comparison["mine"].layers
    assert {file.name for file in model.iterdir()} == {*FILES}
    assert not list(model.parent.glob(".*"))
    config = json.loads((model / "config.json").read_text())
    cfg = config["pretrained_cfg"]
    assert (config["architecture"], config["num_classes"]) == (layers["model"], 4)
    assert config["label_names"] == list(chosen.task.classes)
    assert (cfg["mean"], cfg["std"], cfg["input_size"]) == (layers["mean"], layers["std"], [3, SIZE, SIZE])
    assert (cfg["interpolation"], cfg["crop_pct"], cfg["crop_mode"]) == (layers["interpolation"], 1, "squash")
    with safe_open(model / "delta.safetensors", "pt") as delta, safe_open(model / "model.safetensors", "pt") as whole:
        about, names = delta.metadata(), set(delta.keys())
        assert (about["backbone"], about["run"]) == (layers["weights_sha256"], chosen.record["id"])
        assert {"head.weight", "head.bias"} < names
        for name in names - {"head.weight", "head.bias"}:
            assert torch.equal(delta.get_tensor(name), whole.get_tensor(name))


def test_the_card_says_what_it_is(comparison, model):
    card = (model / "README.md").read_text()
    accuracy = comparison["mine"].record["metrics"]["accuracy"]
    for words in (
        f"{comparison['mine'].layers['model']}, fine-tuned on the 4 classes of *tiny*: `",
        "This model is *mine* with seed 0, the first that did not diverge, not picked by its score: "
        f"{accuracy:.1%} of the test images.",
        "shown 16 of the test images through timm's transforms, it gives 16 the recorded class.",
        "- train 24, val 12, test 16 images",
        "- images: unknown here; ask where they come from",
        f"Run `{comparison['mine'].record['id']}`",
    ):
        assert words in card
    assert card.count("\n| ") == 4, "headings, and a row a method"


@pytest.mark.parametrize("comparison", ["test_resnet"], indirect=True)
def test_the_card_names_the_metric_of_the_choice(comparison, tmp_path):
    record = comparison["linear"].record
    record = record | {"metrics": record["metrics"] | {"score": 0.5}}
    deliver(replace(comparison["linear"], tested=record, metric="macro_f1"), tmp_path / "model")
    words = "% of the test images, a macro F1 of 50.0%. What was chosen, was so by macro F1."
    assert words in (tmp_path / "model" / "README.md").read_text()


@pytest.mark.parametrize("comparison", ["test_vit"], indirect=True)
def test_the_script_needs_only_timm(comparison, model, tmp_path):
    files = as_png(comparison["mine"].task, tmp_path)[:3]
    words = [sys.executable, "-I", model / "predict.py", *files]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    told = unpack(comparison["mine"].record["predictions"])[:3]
    named = zip(files, (comparison["mine"].task.classes[i] for i in told), strict=True)
    assert [line.rpartition(" (")[0] for line in printed] == [f"{file}: {name}" for file, name in named]
    assert len((model / "predict.py").read_text().splitlines()) < 20


def test_images_that_were_resized(tmp_path):
    """Stored smaller than they were: the model sees files and stored images through one transform."""
    write_task(tmp_path, 48, stored_size=40)
    layers = write_weights(tmp_path, "test_resnet")
    chosen = compared(tmp_path, layers, {"linear": ONLY_HEAD, "full": EVERYTHING})["full"]
    found = deliver(chosen, tmp_path / "model")
    assert found.images == 16
    card = (tmp_path / "model" / "README.md").read_text()
    assert "The training saw images stored at 40 x 40 pixels (bilinear); timm resizes a file at once" in card


def test_the_card_says_how_the_model_does_on_the_original_files(tmp_path):
    """They are no squares and larger than what is stored, so the training saw them resized twice."""
    for number, pixels in enumerate(pictures(40, size=64)[0]):
        save(tmp_path / "photos" / f"c{number % CLASSES}" / f"{number}.png", pixels[:48])
    entry = parse_entry(FolderTask, {"source": "folder", "path": str(tmp_path / "photos"), "stored_size": 40}, "task")
    convert_task("tiny", entry, tmp_path / "task", progress=False)
    chosen = compared(tmp_path, write_weights(tmp_path, "test_resnet"), {"linear": ONLY_HEAD, "full": EVERYTHING})
    deliver(chosen["full"], tmp_path / "model")
    model, task = Model(tmp_path / "model"), chosen["full"].task
    found = model.answers(Image.open(tmp_path / "photos" / str(name)) for name in task.names("test"))
    differ, right = (
        (found != unpack(chosen["full"].record["predictions"])).sum(),
        (found == task.part("test")[1]).mean(),
    )
    words = f"On the files themselves {differ} of 8 answers differ from the recorded ones, and {right:.1%} are right."
    assert words in (tmp_path / "model" / "README.md").read_text()
    (tmp_path / "photos" / str(task.names("test")[0])).unlink()
    deliver(chosen["full"], tmp_path / "model")
    assert "On the files themselves" not in (tmp_path / "model" / "README.md").read_text()


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_without_the_trained_tensors_nothing_is_written(comparison, damage, tmp_path):
    file = tmp_path / comparison["mine"].tensors.name
    if damage == "cut":
        file.write_bytes(comparison["mine"].tensors.read_bytes()[:-9])
    with pytest.raises(UserError, match=f"{file.name} is {'missing' if damage == 'missing' else 'damaged'}"):
        deliver(replace(comparison["mine"], tensors=file), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_an_older_model_is_replaced_whole(comparison, tmp_path):
    deliver(comparison["linear"], tmp_path / "model")
    before = (tmp_path / "model" / "model.safetensors").read_bytes()
    deliver(comparison["full"], tmp_path / "model")
    assert (tmp_path / "model" / "model.safetensors").read_bytes() != before
    assert "This model is *full*" in (tmp_path / "model" / "README.md").read_text()


@pytest.mark.parametrize("damage", ["no folder", "no weights", "no JSON"])
def test_folders_that_are_no_models_are_one_sentence(damage, comparison, tmp_path):
    folder = tmp_path / "model"
    if damage != "no folder":
        deliver(comparison["linear"], folder)
    if damage == "no weights":
        (folder / "model.safetensors").unlink()
    if damage == "no JSON":
        (folder / "config.json").write_text("{")
    words = "is no model: it has no config.json" if damage == "no folder" else r"cannot be loaded by timm \(.+\)"
    with pytest.raises(UserError, match=words):
        Model(folder)
