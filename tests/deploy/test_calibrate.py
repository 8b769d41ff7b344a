"""A temperature is fitted on held-out images, and makes probabilities mean what they say without changing an answer."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import softmax

from subtuning.deploy.calibrate import Calibration, calibration, fit_temperature, log_loss
from subtuning.deploy.deliver import deliver
from subtuning.deploy.folder import Model
from subtuning.runs import Split
from subtuning.training.runner import train_missing
from tests.deploy.conftest import base_run, write_task, write_weights
from tests.training.conftest import new_place


def drawn(count: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from honest probabilities, and these as a network says them that is sharper by `temperature`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (count, 5))
    labels = (softmax(logits, axis=1).cumsum(1) > rng.random((count, 1))).argmax(1)
    return labels, softmax(logits * temperature, axis=1).astype(np.float16)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_is_found(temperature):
    assert fit_temperature(*drawn(20_000, temperature)) == pytest.approx(temperature, rel=0.05)


def test_calibration_is_measured_on_other_images():
    folds, (labels, probabilities) = [drawn(1000, 2.5, seed) for seed in (1, 2, 3)], drawn(5000, 2.5, 4)
    found = calibration(folds, labels, probabilities)
    assert (found.images, found.folds) == (3000, 3)
    own = probabilities.astype(float)[np.arange(5000), labels]
    assert found.log_loss[0] == pytest.approx(-np.log(own).mean(), rel=1e-3)
    assert found.log_loss[1] == log_loss(labels, probabilities, found.temperature) < found.log_loss[0]
    assert found.error[1] < 0.03 < 0.1 < found.error[0]


@pytest.mark.parametrize("comparison", ["test_resnet"], indirect=True)
def test_the_delivered_model_uses_it(comparison, tmp_path):
    found = Calibration(2.0, 36, 3, (0.5, 0.4), (0.1, 0.05))
    deliver(comparison["linear"], tmp_path / "plain")
    deliver(replace(comparison["linear"], calibration=found), tmp_path / "soft")
    plain, soft = Model(tmp_path / "plain"), Model(tmp_path / "soft")
    assert json.loads((tmp_path / "soft/config.json").read_text())["temperature"] == 2
    seen = [plain.see(Image.fromarray(np.array(pixels))) for pixels in comparison["linear"].task.part("test")[0]]
    (before,), (after,) = plain.probabilities(seen), soft.probabilities(seen)
    assert np.allclose(softmax(np.log(before) / 2, axis=1), after, atol=1e-5)
    assert (before.argmax(1) == after.argmax(1)).all()
    card = " ".join((tmp_path / "soft/README.md").read_text().split())
    assert "a temperature of 2 (`temperature` in config.json), fitted on what 3-fold cross-validation" in card
    assert "from 0.500 to 0.400 and the calibration error from 10.0% to 5.0%." in card


def test_folds_without_probabilities_are_trained_again_and_keep_their_records(tmp_path):
    write_task(tmp_path)
    layers = write_weights(tmp_path, "test_resnet")
    place = new_place(tmp_path, layers, tmp_path, dtype=torch.float32)
    run = base_run(place.task.sha256, layers).with_split(Split("cv", 2, 0))
    train_missing([run], place)
    before = place.store.path(run.id).read_bytes()
    assert not place.store.probabilities_path(run.id).exists()
    strict = replace(place, store=place.store.with_probabilities(True))
    assert (train_missing([run], strict), train_missing([run], strict)) == (1, 0)
    assert place.store.path(run.id).read_bytes() == before
    assert place.store.probabilities(json.loads(before)).shape == (18, 4)
