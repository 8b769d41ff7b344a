"""Images that do not fit into memory: the same numbers as of those that do."""

import numpy as np
import pytest

from subtuning.errors import UserError
from subtuning.runs import Split
from subtuning.tasks.stored import StoredImages
from subtuning.training import memory
from subtuning.training.data import Images
from subtuning.training.loop import LaneGroup
from subtuning.training.runner import train_missing
from tests.training.conftest import numbers, recipe_of, several


def stored(folder, *counts):
    """Parts of so many random images in files, and all of them in memory."""
    parts = [np.random.default_rng(count).integers(0, 256, (count, 5, 4, 3), np.uint8) for count in counts]
    files = [folder / f"{count}.npy" for count in counts]
    for file, part in zip(files, parts, strict=True):
        np.save(file, part)
    return StoredImages(files), np.concatenate(parts)


ROWS = [[0], [11, 3, 3, 4, 5, 19, 6, 7], [9, 10, 11, 12], [], list(range(20)), [19, 18, 17]]


@pytest.mark.parametrize("rows", ROWS, ids=len)
def test_rows_are_those_of_the_parts_one_after_another(tmp_path, rows):
    images, expected = stored(tmp_path, 10, 1, 9)
    found = np.zeros((len(rows), 5, 4, 3), np.uint8)
    images.read(np.array(rows, np.int64), found)
    assert np.array_equal(found, expected[rows])
    assert np.array_equal(np.asarray(images), expected)


def test_a_file_that_was_cut_off_is_an_error(tmp_path):
    images, _ = stored(tmp_path, 10)
    with (tmp_path / "10.npy").open("r+b") as file:
        file.truncate(300)
    with pytest.raises(UserError, match=r"10\.npy ends too early; convert the task again"):
        images.read(np.array([9]), np.zeros((1, 5, 4, 3), np.uint8))


@pytest.fixture
def watched(monkeypatch):
    """Whether each group's images are held; how many rows were read in all."""
    found = {"held": [], "read": 0}
    start, read = LaneGroup.__init__, StoredImages.read

    def noted(group, trunk, runs, train, *rest):
        found["held"].append(not isinstance(train.pixels, StoredImages))
        start(group, trunk, runs, train, *rest)

    def counted(images, rows, into):
        found["read"] += len(rows)
        read(images, rows, into)

    monkeypatch.setattr(LaneGroup, "__init__", noted)
    monkeypatch.setattr(StoredImages, "read", counted)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("augmentation", ["none", "crop"])
def test_streamed_images_give_the_numbers_of_held_ones(
    place, base, undisturbed, monkeypatch, watched, threads, augmentation
):
    """Bit for bit, of a fold too, whose images are a part of the source; on threads that prepare the next batch.

    Without augmentation the trunk's values are computed of streamed images and kept.
    """
    base = recipe_of(base, augmentation=augmentation)
    runs = several(base)[:2] + several(base.with_split(Split("cv", 2, 1)))[:1]
    expected = undisturbed(runs)
    assert set(watched["held"]) == {True}
    watched.update(held=[], read=0)
    monkeypatch.setattr(memory, "IMAGES", 0)
    train_missing(runs, place)
    assert numbers(place, runs) == expected
    assert set(watched["held"]) == {False}
    assert augmentation == "none" or watched["read"] >= 2 * (24 + 18), "every image in every epoch"


def test_images_are_read_before_they_are_asked_for(tmp_path):
    from subtuning.training.streaming import DEPTH, Ahead
    from tests.tiny import CPU, backbone

    pixels, expected = stored(tmp_path, 40)
    source, asked = Images(pixels, np.zeros(40, np.int64), backbone(), CPU), []
    ahead = Ahead(source, lambda step: asked.append(step) or np.arange(4 * step, 4 * step + 4), 10)
    for step in range(10):
        assert np.array_equal(ahead.read(step), expected[4 * step : 4 * step + 4])
        assert asked == list(range(min(10, step + DEPTH + 1)))
