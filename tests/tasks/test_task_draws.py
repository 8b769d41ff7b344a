"""Draws of fewer training images: nested, stratified, and the same everywhere."""

import numpy as np
import pytest

from subtuning.config.tasks import SOURCES
from subtuning.errors import UserError
from subtuning.tasks import convert_task, load_task
from subtuning.tasks.draws import order
from subtuning.tasks.task import read_facts

SHARES = np.repeat([0, 1, 2], [100, 40, 20])
PARTS = (np.arange(160) % 5 == 0).astype(int)


@pytest.mark.parametrize("seed", [0, 1])
def test_every_beginning_is_stratified_by_class_and_part(seed):
    found = order(SHARES, PARTS, seed)
    assert sorted(found) == list(range(160))
    for count in (8, 16, 40, 80, 159):
        classes = np.bincount(SHARES[found[:count]], minlength=3)
        assert np.abs(classes - count * np.bincount(SHARES) / 160).max() <= 1
        for label in range(3):
            held = PARTS[found[:count]][SHARES[found[:count]] == label].sum()
            assert abs(held - classes[label] / 5) <= 1


def test_another_seed_is_another_draw():
    assert set(order(SHARES, PARTS, 0)[:40]) != set(order(SHARES, PARTS, 1)[:40])


@pytest.fixture
def converted(tmp_path):
    """Digits with such keys, converted."""

    def convert(**keys):
        spec = SOURCES["builtin"](source="builtin", **keys)
        folder = tmp_path / "-".join(map(str, keys.values()))
        convert_task("digits", spec, folder, progress=False)
        return load_task(folder)

    return convert


def names(task):
    return {(part, name) for part in ("train", "val") for name in task.names(part)}


def test_draws_of_a_task_are_nested_and_leave_the_test_part_whole(converted):
    whole, small, large, other = (
        converted(**keys) for keys in ({"name": "digits"}, {"train_images": 60}, {"train_images": 200},
                                       {"train_images": 60, "draw": 1})
    )  # fmt: skip
    assert small.counts == {"train": 50, "val": 10, "test": 797}
    assert names(small) < names(large) < names(whole)
    assert names(other) != names(small)
    assert np.array_equal(small.part("test")[0], whole.part("test")[0])
    assert np.bincount(small.stored("train", "val")[1]).tolist() == [6] * 10
    assert len({task.sha256 for task in (whole, small, large, other)}) == 4
    of_whole = {name: image.tobytes() for name, image in zip(whole.names("train"), whole.part("train")[0], strict=True)}
    for name, image in zip(small.names("train"), small.part("train")[0], strict=True):
        assert of_whole[name] == image.tobytes()


def test_a_task_without_a_draw_is_described_as_before(converted):
    assert read_facts(converted(name="digits").path)["source"] == {
        "source": "builtin", "name": "digits", "stored_size": 256, "resize": "bilinear", "copies": "keep"
    }  # fmt: skip


def test_more_images_than_there_are_or_too_few_are_told(converted):
    with pytest.raises(UserError, match="train_images is 1001, but train and val have 1000 images; use at most that"):
        converted(train_images=1001)
    with pytest.raises(UserError, match="train_images is 2, so few that val would have no image; use more"):
        converted(train_images=2)
