"""Predictions as a short text: classes, and any number of labels an image."""

import numpy as np
import pytest

from subtuning.errors import UserError
from subtuning.runs import Store
from subtuning.runs.predictions import are_several, pack, unpack


@pytest.mark.parametrize("classes", [2, 256, 257, 70_000])
def test_classes_come_back(classes):
    given = np.random.default_rng(0).integers(0, classes, 50)
    given[0] = classes - 1
    assert (unpack(pack(given)) == given).all()
    assert not are_several(pack(given))


@pytest.mark.parametrize("labels", [1, 7, 8, 9, 80])
@pytest.mark.parametrize("images", [1, 50])
def test_labels_come_back(labels, images):
    given = np.random.default_rng(0).random((images, labels)) < 0.3
    found = unpack(pack(given))
    assert found.dtype == bool
    assert (found == given).all()
    assert are_several(pack(given))


def test_labels_take_a_bit_each():
    given = np.random.default_rng(0).random((1000, 80)) < 0.5
    assert len(pack(given)) < 1.4 * 1000 * 80 / 8


def kept(store, given, predicted):
    path = store.probabilities_path("ab12")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, given)
    return store.probabilities({"id": "ab12", "metrics": {"n": 2}, "predictions": pack(predicted)})


def test_probabilities_of_several_labels_need_not_add_up_to_one(tmp_path):
    store, given = Store(tmp_path), np.array([[0.9, 0.8], [0.1, 0.0]], np.float32)
    assert (kept(store, given, given > 0.5) == given).all()
    with pytest.raises(UserError, match="is damaged"):
        kept(store, given, given.argmax(1))
    with pytest.raises(UserError, match="is damaged"):
        kept(store, given + 0.2, given > 0.5)
