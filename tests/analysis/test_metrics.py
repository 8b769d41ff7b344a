"""The way from a prediction to a metric, and from a mistake to its photo."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from subtuning.analysis.metrics import answers, auroc, beside_accuracy, calibration_error, recalls
from subtuning.config.tasks import FolderTask
from subtuning.errors import UserError
from subtuning.runs.predictions import pack
from subtuning.tasks import convert_task, load_task
from tests.analysis.conftest import make_record
from tests.tasks.pictures import class_folders


@pytest.fixture
def task(tmp_path):
    convert_task("toy", FolderTask(source="folder", path=str(class_folders(tmp_path / "in"))), tmp_path / "out")
    return load_task(tmp_path / "out")


def record_of(task, predicted, **place):
    record = make_record(["layer3.0"], 0.5, **place) | {"predictions": pack(np.asarray(predicted))}
    record["identity"]["task"] = task.sha256
    return record


@pytest.mark.parametrize("place", [{"split": "test"}, {"split": "val"}, {"split": "cv", "folds": 3, "fold": 1}])
def test_a_mistake_leads_to_its_photo(task, place):
    split = place["split"]
    if split == "cv":
        held = task.folds(3)[1][1]
        names = np.array(task.names("train") + task.names("val"))[held]
    else:
        names = np.array(task.names(split))
    wrong = names[2]
    predicted = [(int(name[1]) + (name == wrong)) % 3 for name in names]
    said = answers(record_of(task, predicted, **place), task)
    assert (said["label"] == [int(name[1]) for name in said["image"]]).all(), "a folder c1 holds class 1"
    mistakes = said[said["label"] != said["predicted"]]
    assert mistakes["image"].tolist() == [wrong]
    assert accuracy_score(said["label"], said["predicted"]) == 1 - 1 / len(names)


def test_what_has_no_answers_is_one_sentence(task):
    record = record_of(task, [0])
    with pytest.raises(UserError, match="of another task, or of other images"):
        answers(record | {"identity": record["identity"] | {"task": "other"}}, task)
    with pytest.raises(UserError, match="diverged and left no predictions"):
        answers(record | {"status": "diverged", "predictions": None}, task)
    with pytest.raises(UserError, match="is of a version of subtuning that left no predictions"):
        answers({key: value for key, value in record.items() if key != "predictions"}, task)


def test_recalls_by_hand():
    found = recalls(np.array([0, 0, 0, 0, 1, 1, 3]), np.array([0, 0, 0, 2, 1, 0, 3]), 4)
    assert found == pytest.approx([0.75, 0.5, np.nan, 1], nan_ok=True)


def test_the_calibration_error_by_hand():
    """Bins of 1/15: two images at 0.5 (one right), one at 0.9 (wrong), one at 1 (right)."""
    labels, predicted, confidence = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([0.5, 0.5, 0.9, 1])
    assert calibration_error(labels, predicted, confidence) == pytest.approx(0.9 / 4)
    # 0.9 and 0.92 fall into one bin, in which the right and the wrong answer make up for each other in part
    both = calibration_error(np.array([0, 0]), np.array([0, 1]), np.array([0.9, 0.92]))
    assert both == pytest.approx(abs(1 - 1.82) / 2)


def test_the_area_under_the_curve_by_hand():
    """Of the three other images, two have less of class 1 than its one image, and one as much."""
    first = np.array([0.6, 0.1, 0.6, 0.2])
    assert auroc(np.array([1, 0, 0, 0]), np.stack([1 - first, first], 1)) == pytest.approx(2.5 / 3)
    assert np.isnan(auroc(np.zeros(4, int), np.stack([1 - first, first], 1)))


def test_the_area_under_the_curve_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels, found = rng.integers(0, 4, 200), rng.dirichlet(np.ones(4), 200).round(2)
    found /= found.sum(1, keepdims=True)
    assert auroc(labels, found) == pytest.approx(roc_auc_score(labels, found, multi_class="ovr"))


def test_beside_accuracy_are_means_over_the_runs():
    labels = np.array([0, 1, 1, 0])
    kept = [np.array([[0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.9, 0.1]]), np.array([[1, 0], [0, 1], [0, 1], [1, 0.0]])]
    runs = [
        make_record([], 0.75, seed=seed)
        | {"predictions": pack(found.argmax(1)), "metrics": {"accuracy": 0.75, "loss": loss, "n": 4}}
        for seed, (found, loss) in enumerate(zip(kept, (0.5, 0.1), strict=True))
    ]

    def probabilities(record):
        return kept[record["identity"]["seed"]]

    found = beside_accuracy(runs, labels, probabilities)
    assert found == pytest.approx({"auroc": 1, "calibration_error": (0.2 + 0.3 + 0.6 + 0.1) / 4 / 2, "log_loss": 0.3})


def test_what_is_not_known_is_empty():
    runs = [make_record([], 0.75, seed=seed) for seed in (0, 1)]
    found = beside_accuracy(runs, np.zeros(200, int), lambda record: None)
    assert found == pytest.approx({"auroc": np.nan, "calibration_error": np.nan, "log_loss": 0.2}, nan_ok=True)
    diverged = beside_accuracy([*runs, make_record([], None, seed=2)], None, lambda record: None)
    assert np.isnan(list(diverged.values())).all()
