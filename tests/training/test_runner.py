"""From runs to records: what is trained on what, and that nothing else changes the numbers."""

import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from subtuning.errors import UserError
from subtuning.runs import Split
from subtuning.tasks import folds
from subtuning.training import device
from subtuning.training.data import images_of, load_source, source_of
from subtuning.training.interrupt import Interrupted
from subtuning.training.runner import lane_groups, train_missing
from subtuning.tuning.tuning import FULL, Tuning
from tests.training.conftest import new_place, numbers, recipe_of, several

pytestmark = pytest.mark.slow


def test_records_hold_what_tables_need(place, base):
    runs, seen = several(base), []
    place.finished = lambda record, run: seen.append((record, run))
    assert train_missing(runs, place) == 4
    records = place.store.require(runs)
    assert [run for _, run in seen] == runs
    assert [record for record, _ in seen] == records
    head = place.layers["features"] * 4 + 4
    counts = {row["name"]: row["parameters"] for row in place.layers["layers"]}
    trained = [0, counts["layer2.0"], counts["layer1.0"] + counts["layer4.0"], sum(counts.values())]
    for record, count in zip(records, trained, strict=True):
        assert record["status"] == "done"
        assert record["trainable_parameters"] == count + head
        assert record["total_parameters"] == sum(counts.values()) + head
        assert record["flops"] == place.layers["total_flops"] + 2 * head
        assert set(record["metrics"]) == {"accuracy", "loss", "n", "hits"}
        assert record["metrics"]["n"] == 12
        assert [point["epoch"] for point in record["curve"]] == [1, 2]
        assert record["seconds"] > 0
        assert record["lanes"] == 4
        assert record["precision"] == "float64"
        assert record["versions"]["torch"] == torch.__version__


def test_finished_runs_are_not_trained_again(place, base, each_step):
    train_missing(several(base)[:2], place)
    before = [path.read_bytes() for path in sorted(place.store.folder.rglob("*.json"))]
    each_step(lambda group: pytest.fail("trained again"))
    assert train_missing(several(base)[:2], place) == 0
    each_step(None)
    assert train_missing(several(base)[:3] * 2, place) == 1
    assert [p.read_bytes() for p in sorted(place.store.folder.rglob("*.json")) if p.read_bytes() in before] == before


def test_each_split_trains_and_scores_its_own_images(place, base):
    train, val, test = (place.task.part(name)[0] for name in ("train", "val", "test"))
    together = np.concatenate([train, val])
    for split, trained, scored in [(Split("val"), train, val), (Split("test"), together, test)]:
        for found, expected in zip(images_of_split(split, place, base), (trained, scored), strict=True):
            assert np.array_equal(pixels_of(found), expected)
    labels = np.concatenate([place.task.part("train")[1], place.task.part("val")[1]])
    held_out = []
    for fold, (kept, held) in enumerate(folds(labels, 3)):
        trained, scored = images_of_split(Split("cv", 3, fold), place, base)
        assert np.array_equal(pixels_of(trained), together[kept])
        assert np.array_equal(pixels_of(scored), together[held])
        assert labels_of(trained) == labels[kept].tolist()
        assert labels_of(scored) == labels[held].tolist()
        held_out += held.tolist()
    assert sorted(held_out) == list(range(36))


def test_no_held_out_image_has_a_copy_among_the_trained(place, base, tmp_path):
    """Every val image is made a copy of a train image: dealt as if they differed, the folds would share images."""
    shutil.copytree(place.task.path, tmp_path / "copies")
    train, val = (np.load(tmp_path / "copies" / part / "images.npy") for part in ("train", "val"))
    np.save(tmp_path / "copies" / "val" / "images.npy", train[: len(val)])
    task = replace(place.task, path=tmp_path / "copies", sha256="another")
    training = load_source("trainval", task, base.backbone, place.device, place.dtype)
    for fold in range(3):
        trained, scored = (pixels_of(part) for part in images_of(Split("cv", 3, fold), training, task))
        assert len(scored)
        assert not {image.tobytes() for image in trained} & {image.tobytes() for image in scored}


def images_of_split(split, place, base):
    training = load_source(source_of(split), place.task, base.backbone, place.device, place.dtype)
    return images_of(split, training, place.task)


def pixels_of(images):
    return np.asarray(images.pixels)[images.rows_of(np.arange(len(images)))]


def labels_of(images):
    return images.labels_at(images.rows_of(np.arange(len(images)))).tolist()


def test_lanes_are_runs_of_one_split_seed_and_recipe(place, base):
    runs = [
        base.with_seed(seed).with_split(Split("cv", 2, fold)).with_tuning(Tuning(subset))
        for seed in (0, 1)
        for subset in [(), FULL, ("stem",)]
        for fold in (0, 1)
    ]
    groups = lane_groups(runs, place)
    assert sorted(map(len, groups)) == [3, 3, 3, 3]
    assert all(len({(run.seed, run.split) for run in group}) == 1 for group in groups)
    assert {run for group in groups for run in group} == set(runs)
    place.lanes = 2
    assert sorted(map(len, lane_groups(runs, place))) == [1, 1, 1, 1, 2, 2, 2, 2]


def test_lanes_on_threads_give_the_same_results(place, base, undisturbed, threads):
    train_missing(several(base), place)
    assert numbers(place, several(base)) == undisturbed(several(base))


def test_a_training_on_threads_resumes_bit_for_bit(place, base, undisturbed, each_step, threads):
    runs = several(recipe_of(base, augmentation="crop"))
    each_step(lambda group: signal.raise_signal(signal.SIGTERM) if group.step == 3 else None)
    with pytest.raises(Interrupted):
        train_missing(runs, place)
    each_step(None)
    train_missing(runs, place)
    assert numbers(place, runs) == undisturbed(runs)


@pytest.mark.parametrize(("precision", "name"), [("fp32", "float32"), ("bf16", "bfloat16"), ("fp16", "float16")])
def test_mixed_precision_reaches_lanes_on_threads(inputs, layers, tmp_path, base, threads, precision, name):
    runs = several(recipe_of(base, precision=precision))
    results = []
    for count, lanes in [(3, None), (1, None), (2, 1)]:
        torch.set_num_threads(count)
        place = new_place(inputs, layers, tmp_path / str(count), dtype=torch.float32, lanes=lanes)
        train_missing(runs, place)
        results.append(numbers(place, runs))
    assert results[0] == results[1] == results[2]
    assert {record["precision"] for record in results[0]} == {name}
    assert {record["status"] for record in results[0]} == {"done"}
    full = new_place(inputs, layers, tmp_path / "full", dtype=torch.float32)
    plain = several(recipe_of(base, precision="fp32"))
    train_missing(plain, full)
    losses = [[record["metrics"]["loss"] for record in found] for found in (results[0], numbers(full, plain))]
    assert losses[0] == pytest.approx(losses[1], rel=0.3)  # with fp16, first steps are skipped until the scale fits
    assert (losses[0] == losses[1]) == (precision == "fp32"), "the precision changes nothing"


def test_the_number_of_lanes_does_not_change_results(place, base, undisturbed):
    place.lanes = 1
    train_missing(several(base), place)
    assert numbers(place, several(base)) == undisturbed(several(base))


def test_seeds_make_runs_and_the_same_seed_makes_the_same_run(place, base, undisturbed):
    runs = [base.with_seed(seed).with_tuning(Tuning(("layer3.0",))) for seed in (0, 1)]
    train_missing(runs, place)
    first, second = numbers(place, runs)
    assert first["metrics"]["loss"] != second["metrics"]["loss"]
    assert undisturbed(runs) == [first, second]


def test_weights_that_changed_are_refused(place, base, inputs, tmp_path):
    state = load_file(inputs / "weights.safetensors")
    state["conv1.0.weight"] += 1
    save_file(state, tmp_path / "other.safetensors")
    place.weights = tmp_path / "other.safetensors"
    with pytest.raises(UserError, match="has changed since it was described; run subtuning describe again"):
        train_missing([base], place)


def test_an_unknown_device_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.choose_device("auto") == torch.device("cpu")
    with pytest.raises(UserError, match="torch finds no CUDA GPU here; use --device cpu"):
        device.choose_device("cuda")
