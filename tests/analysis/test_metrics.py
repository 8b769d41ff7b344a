"""The way from a prediction to a metric, and from a mistake to its photo."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from subtuning.analysis.metrics import answers
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
