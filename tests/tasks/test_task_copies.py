"""Images with equal pixels: found wherever they are, told in the log and in `task.json`, dropped only if asked."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subtuning.config.tasks import ArraysTask, FolderTask, ImageListTask
from subtuning.errors import UserError
from subtuning.tasks import check_content, convert_task, folds
from subtuning.tasks.copies import rows_to_keep, same_images
from tests.tasks.pictures import class_folders, picture, save


def parts(root):
    """`train`, `val`, `test` with classes `a`, `b` of 4, 2, 2 images each, all different."""
    for place, part in enumerate(("train", "val", "test")):
        for label, name in enumerate("ab"):
            for i in range(4 if part == "train" else 2):
                save(root / part / name / f"{i}.png", picture(100 * place + 10 * label + i))
    return root


def copied(root):
    """One image of train in test, one of train in val, one twice in train, one under both classes."""
    save(root / "test" / "a" / "leak.webp", picture(0))
    save(root / "val" / "b" / "again.png", picture(10))
    save(root / "train" / "b" / "twice.png", picture(11))
    save(root / "train" / "b" / "other.png", picture(1))
    return root


def converted(spec, out):
    convert_task("toy", spec, out, progress=False)
    return check_content(out), json.loads((out / "task.json").read_text())["copies"]


def folder(root, **more):
    return FolderTask(source="folder", path=str(root), **more)


@pytest.fixture(autouse=True)
def lossless(monkeypatch):
    """WebP files of these tests hold the very pixels."""
    from PIL import WebPImagePlugin

    original = WebPImagePlugin._save
    monkeypatch.setitem(
        __import__("PIL.Image").Image.SAVE,
        "WEBP",
        lambda image, *words: image.encoderinfo.update(lossless=True) or original(image, *words),
    )


def test_without_copies_there_is_nothing_to_say(tmp_path, capfd):
    _, copies = converted(folder(parts(tmp_path / "in")), tmp_path / "out")
    assert copies == {"test": 0, "val": 0, "repeated": 0, "conflicts": 0, "examples": {}}
    assert "warning" not in capfd.readouterr().err


def test_every_kind_of_copy_is_counted_and_named(tmp_path, capfd):
    _, copies = converted(folder(copied(parts(tmp_path / "in"))), tmp_path / "out")
    assert {kind: copies[kind] for kind in ("test", "val", "repeated", "conflicts")} == {
        "test": 1,
        "val": 1,
        "repeated": 3,
        "conflicts": 1,
    }
    assert copies["examples"]["test"] == [["train: train/a/0.png", "test: test/a/leak.webp"]]
    assert copies["examples"]["val"] == [["train: train/b/0.png", "val: val/b/again.png"]]
    assert copies["examples"]["conflicts"] == [["train: train/a/1.png", "train: train/b/other.png"]]
    said = capfd.readouterr().err
    assert "warning: task toy: 1 of 5 test images are in train or val as well" in said
    assert "(train: train/a/0.png = test: test/a/leak.webp)" in said
    assert "1 of 5 val images are in train as well" in said
    assert "3 images of train and val repeat others" in said
    assert "1 different images have several labels (train: train/a/1.png = train: train/b/other.png)" in said


def test_dropping_spares_the_test_images_and_leaves_no_doubt(tmp_path, capfd):
    whole, _ = converted(folder(copied(parts(tmp_path / "in"))), tmp_path / "all")
    task, copies = converted(folder(tmp_path / "in", copies="drop"), tmp_path / "out")
    assert task.counts == {"train": 6, "val": 4, "test": 5}  # train loses 0, 1, other, twice; val loses again
    assert copies.pop("dropped") == {
        "train": {"images": 4, "examples": [f"train/{name}.png" for name in ("a/0", "a/1", "b/other", "b/twice")]},
        "val": {"images": 1, "examples": ["val/b/again.png"]},
    }
    assert copies == {"test": 0, "val": 0, "repeated": 0, "conflicts": 0, "examples": {}}
    assert np.array_equal(task.part("test")[0], whole.part("test")[0])
    images, labels = task.stored("train", "val")
    kept = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    seeds = [[2, 3, 100, 101], [10, 11, 12, 13, 110, 111]]
    expected = {picture(seed).tobytes(): label for label in (0, 1) for seed in seeds[label]}
    assert kept == expected
    assert (
        "copies: drop left out 4 of train (train/a/0.png, train/a/1.png, train/b/other.png, " in capfd.readouterr().err
    )
    assert sorted(path.name for path in (tmp_path / "out" / "train").iterdir()) == ["images.npy", "labels.npy"]


def test_dropping_a_whole_class_is_refused(tmp_path):
    root = parts(tmp_path / "in")
    for part, place in (("train", 0), ("val", 100)):
        for i in range(4 if part == "train" else 2):
            save(root / "test" / "b" / f"{part}{i}.png", picture(place + 10 + i))
    with pytest.raises(UserError, match="copies: drop leaves no image to class 'b'; correct the images, or use copies"):
        convert_task("toy", folder(root, copies="drop"), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_arrays_and_lists_are_looked_at_too(tmp_path):
    x = np.stack([picture(i) for i in range(12)])
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(12) % 3, x_test=x[:4], y_test=(np.arange(4) + 1) % 3)
    _, copies = converted(ArraysTask(source="arrays", path=str(tmp_path / "a.npz")), tmp_path / "arrays")
    assert (copies["test"], copies["conflicts"], len(copies["examples"]["test"])) == (4, 4, 4)
    assert "test: x_test[0]" in copies["examples"]["test"][0]
    for part, seeds in (("train", (0, 1, 2, 3)), ("val", (4, 5)), ("test", (6, 3))):
        for seed in seeds:
            save(tmp_path / "in" / part / f"{seed}.png", picture(seed))
        lines = [f"{part}/{seed}.png {seed % 2}\n" for seed in seeds]
        (tmp_path / "in" / f"{part}.txt").write_text("".join(lines))
    _, copies = converted(ImageListTask(source="image_list", path=str(tmp_path / "in")), tmp_path / "lists")
    assert copies["examples"] == {"test": [["train: train/3.png", "test: test/3.png"]]}


def test_few_names_are_kept_however_many_copies_there_are(tmp_path):
    x = np.zeros((200, 8, 8), np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(200) % 2, x_test=x, y_test=np.arange(200) % 2)
    _, copies = converted(ArraysTask(source="arrays", path=str(tmp_path / "a.npz")), tmp_path / "out")
    assert (copies["test"], copies["val"], copies["repeated"], copies["conflicts"]) == (200, 40, 199, 1)
    assert len(json.dumps(copies)) < 2000


def test_images_that_differ_in_one_pixel_are_different(tmp_path):
    """Also where the bytes that are looked at first, in the middle, are equal."""
    x = np.zeros((4, 64, 64), np.uint8)
    x[1, 0, 0], x[2, -1, -1] = 1, 1
    np.savez(tmp_path / "a.npz", x_train=x, y_train=[0, 1, 0, 1], x_test=x[1:2], y_test=[1], x_val=x[2:3], y_val=[0])
    converted(ArraysTask(source="arrays", path=str(tmp_path / "a.npz")), tmp_path / "out")
    assert same_images(tmp_path / "out").tolist() == [0, 1, 2, 0, 2, 1]
    assert same_images(tmp_path / "out", ("train", "val")).tolist() == [0, 1, 2, 0, 2]


SAME = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=6, max_size=60)


def first_of(images):
    return np.array([images.index(image) for image in images])


@settings(max_examples=60, deadline=None)
@given(SAME, st.integers(2, 4), st.integers(0, 5))
def test_copies_share_a_fold_and_every_fold_holds_images(pairs, k, seed):
    labels, same = np.array([label for label, _ in pairs]), first_of([image for _, image in pairs])
    classes = [len(set(same[labels == label])) for label in set(labels.tolist())]
    if len(set(same)) < k or max(classes) < 2:
        with pytest.raises(UserError):
            folds(labels, k, seed, same)
        return
    found = folds(labels, k, seed, same)
    assert sorted(np.concatenate([held for _, held in found]).tolist()) == list(range(len(labels)))
    for kept, held in found:
        assert len(held)
        assert not set(same[kept]) & set(same[held])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=5, max_size=80).map(np.array), st.integers(2, 5), st.integers(0, 9))
def test_folds_without_copies_are_those_of_ever(labels, k, seed):
    if np.bincount(labels).max() > 1:
        for plain, grouped in zip(folds(labels, k, seed), folds(labels, k, seed, np.arange(len(labels))), strict=True):
            assert np.array_equal(plain[1], grouped[1])


def test_many_copies_are_made_up_for_by_the_other_folds():
    labels = np.repeat([0, 1], 50)
    same = np.arange(100)
    same[:10] = 0
    sizes = [len(held) for _, held in folds(labels, 5, same=same)]
    assert max(sizes) - min(sizes) <= 1
    for _, held in folds(labels, 5, same=same):
        assert np.bincount(labels[held]).tolist() == [10, 10]


def test_a_task_deals_its_copies_to_one_fold(tmp_path):
    """Ten pictures, each saved twice under its class: a network would know every held-out image by heart."""
    for seed in range(10):
        for copy in "xy":
            save(tmp_path / "in" / "train" / "ab"[seed % 2] / f"{seed}{copy}.png", picture(seed))
    class_folders(tmp_path / "in" / "test", classes=2, each=1)
    for label, name in enumerate("ab"):
        (tmp_path / "in" / "test" / f"c{label}").rename(tmp_path / "in" / "test" / name)
    task, copies = converted(folder(tmp_path / "in"), tmp_path / "out")
    assert copies["repeated"] == 10
    images, _ = task.stored("train", "val")
    for kept, held in task.folds(5):
        assert not {images[i].tobytes() for i in kept} & {images[i].tobytes() for i in held}


def test_folds_that_copies_make_impossible_are_refused():
    with pytest.raises(UserError, match="2 different images cannot be split into 3 folds; use at most 2"):
        folds(np.array([0, 0, 0, 1]), 3, same=np.array([0, 0, 0, 3]))
    with pytest.raises(UserError, match="no class has two images"):
        folds(np.array([0, 0, 1, 1]), 2, same=np.array([0, 0, 2, 2]))


def test_a_conflict_between_train_and_test_costs_the_training_image():
    labels = {"train": np.array([0, 1, 1]), "val": np.array([0]), "test": np.array([1])}
    kept = rows_to_keep(np.array([0, 1, 2, 3, 0]), labels)
    assert {part: rows.tolist() for part, rows in kept.items()} == {"train": [1, 2], "val": [0]}


@pytest.mark.parametrize("spelled", ["train/0.png", "./train/0.png", "train//0.png", "./train/./0.png"])
def test_one_file_in_two_parts_of_a_list_is_an_error_however_it_is_spelled(tmp_path, spelled):
    for part, seeds in (("train", (0, 1, 2, 3)), ("val", (4, 5)), ("test", (6, 7))):
        for seed in seeds:
            save(tmp_path / "in" / part / f"{seed}.png", picture(seed))
        lines = [f"{part}/{seed}.png {seed % 2}\n" for seed in seeds]
        (tmp_path / "in" / f"{part}.txt").write_text("".join(lines))
    with (tmp_path / "in" / "test.txt").open("a") as file:
        file.write(f"{spelled} 0\n")
    there = "" if spelled == "train/0.png" else ", there as train/0.png"
    sentence = f"images are in two parts at once: {spelled} (train and test{there}); no image may be in more than one"
    with pytest.raises(UserError, match=re.escape(sentence)):
        converted(ImageListTask(source="image_list", path=str(tmp_path / "in")), tmp_path / "out")
