"""Labels as people have them in lists and arrays: class names, numbers from 1, gaps, MedMNIST's names and shapes."""

import json
import re

import numpy as np
import pytest

from subtuning.config.tasks import ArraysTask, ImageListTask
from subtuning.errors import UserError
from subtuning.tasks import check_content, convert_task
from tests.tasks.pictures import list_folder, npz, picture, save

LISTS = ("train800.txt", "val200.txt", "test.txt")


def converted(spec, out):
    convert_task("toy", spec, out, progress=False)
    return check_content(out)


def listed(root, out, change, names=""):
    """The task of `list_folder` (labels 0 and 1 alternate) after `change` was called with each list's lines."""
    list_folder(root)
    (root / "train800val200.txt").unlink()
    for name in LISTS:
        lines = [change(*line.split()) for line in (root / name).read_text().splitlines()]
        (root / name).write_text("\n".join(lines) + "\n")
    if names:
        (root / "classes.txt").write_text(names)
    return converted(ImageListTask(source="image_list", path=str(root)), out)


def labels_of(task):
    return [task.part(part)[1].tolist() for part in ("train", "val", "test")]


ALTERNATING = [[0, 1, 0, 1, 0, 1], [0, 1, 0], [1, 0, 1, 0]]


@pytest.mark.parametrize("between", [" ", "\t", "   "])
def test_lists_of_class_names(between, tmp_path):
    name = ("a dog", "cat").__getitem__
    task = listed(tmp_path / "in", tmp_path / "out", lambda path, label: f"{path}{between}{name(int(label))}")
    assert task.classes == ("a dog", "cat")
    assert labels_of(task) == ALTERNATING


def test_class_names_in_the_order_of_classes_txt(tmp_path):
    change = lambda path, label: f"{path} {('dog', 'cat')[int(label)]}"  # noqa: E731
    task = listed(tmp_path / "in", tmp_path / "out", change, "dog \ncat\n\n")
    assert task.classes == ("dog", "cat")
    assert labels_of(task) == ALTERNATING
    with pytest.raises(UserError, match=r"train800\.txt has labels that are not in classes\.txt: dog; add or correct"):
        listed(tmp_path / "in2", tmp_path / "out2", change, "Dog\ncat\n")


def test_numbers_with_a_class_name_among_them(tmp_path):
    with pytest.raises(UserError, match=r"val200\.txt has lines that are not .* from 0: line 2 \(images.* one\)"):
        listed(
            tmp_path / "in",
            tmp_path / "out",
            lambda path, label: f"{path} {'one' if 'val200' in path and label == '1' else label}",
        )


SAID = {
    "from 1": (lambda i: i + 1, ("1", "2"), "0"),
    "with a gap": (lambda i: 3 * i, ("0", "3"), "1, 2"),
    "far away": (lambda i: i + 9, ("9", "10"), "0, 1, 2, 3, 4, and 4 more"),
}


@pytest.mark.parametrize("case", SAID)
def test_numbers_from_1_or_with_gaps_make_no_class_without_images(case, tmp_path, capfd):
    change, classes, missing = SAID[case]
    sentence = f"no image has the label {missing}; the classes are the 2 labels that occur"
    root = tmp_path / "in"
    task = listed(root, tmp_path / "out", lambda path, label: f"{path} {change(int(label))}")
    assert (task.classes, labels_of(task)) == (classes, ALTERNATING)
    assert capfd.readouterr().err == f"warning: task toy: {root}: {sentence}\n"
    assert json.loads((tmp_path / "out" / "task.json").read_text())["warnings"] == [f"{root}: {sentence}"]

    y = {"y_train": change(np.arange(12) % 2), "y_test": change(np.arange(5) % 2)}
    file = npz(tmp_path / "a.npz", **y)
    task = converted(ArraysTask(source="arrays", path=str(file)), tmp_path / "arrays")
    assert (task.classes, task.part("test")[1].tolist()) == (classes, [0, 1, 0, 1, 0])
    assert capfd.readouterr().err == f"warning: task toy: {file}: {sentence}\n"


WITH_NAMES = {
    "labels from 1": (
        lambda path, label: f"{path} {int(label) + 1}",
        "dog\ncat\n",
        r"has labels above 1 \(classes\.txt has 2 names, for labels from 0\): images/\S+ 2, ",
    ),
    "an empty line": (
        lambda *line: " ".join(line),
        "dog\n\ncat\n",
        r"classes\.txt has an empty name for class 2; give",
    ),
    "only empty lines": (lambda *line: " ".join(line), "\n\n\n", "labels above -1"),
    "one name in two cases": (lambda *line: " ".join(line), "Dog\ndog\n", "names that differ only in case"),
    "one name with a blank": (lambda *line: " ".join(line), "dog \ndog\n", "names these classes twice: dog"),
}


@pytest.mark.parametrize("case", WITH_NAMES)
def test_names_that_do_not_fit_the_labels(case, tmp_path):
    change, names, sentence = WITH_NAMES[case]
    with pytest.raises(UserError) as caught:
        listed(tmp_path / "in", tmp_path / "out", change, names)
    assert re.search(sentence, str(caught.value)), str(caught.value)


def test_what_classes_lack_is_said_once_each(tmp_path, capfd):
    root = list_folder(tmp_path / "in")
    (root / "train800val200.txt").unlink()
    (root / "classes.txt").write_text("dog\ncat\nemu\nfox\ngnu\n")
    for name, label in (("train800", 2), ("test", 3)):
        save(root / f"{name}.png", picture(500 + label))
        with (root / f"{name}.txt").open("a") as file:
            file.write(f"{name}.png {label}\n")
    converted(ImageListTask(source="image_list", path=str(root)), tmp_path / "out")
    start = "warning: task toy: 1 of 5 classes have"
    assert capfd.readouterr().err == (
        f"{start} no image at all (labels that begin at 1, or names that are not used?): gnu\n"
        f"{start} test images but no other, so that none of these can be recognised: fox\n"
        f"{start} no test image, so that the test accuracy says nothing about them: emu\n"
        f"{start} one image in train and val, so that cross-validation cannot both train and score them: emu\n"
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_medmnist_files_are_read_as_they_come(channels, tmp_path):
    rng = np.random.default_rng(1)
    shape = (8, 8, 3) if channels == 3 else (8, 8)
    arrays = {}
    for part, size in (("train", 9), ("val", 3), ("test", 6)):
        arrays[f"{part}_images"] = rng.integers(0, 256, (size, *shape), np.uint8)
        arrays[f"{part}_labels"] = (np.arange(size, dtype=np.uint8) % 3)[:, None]
    np.savez_compressed(tmp_path / "toymnist.npz", **arrays)
    task = converted(ArraysTask(source="arrays", path=str(tmp_path / "toymnist.npz")), tmp_path / "out")
    assert task.image_size == (8, 8, channels)
    for part in task.counts:
        images, labels = task.part(part)
        assert np.array_equal(images.reshape(arrays[f"{part}_images"].shape), arrays[f"{part}_images"])
        assert np.array_equal(labels, arrays[f"{part}_labels"].ravel())


MEDMNIST = {
    "several labels an image": (
        {"train_labels": np.zeros((9, 14), np.uint8)},
        r"train_labels must be .* not uint8 \(9, 14\); an image can have only one label",
    ),
    "no test": ({"test_images": None}, r"lacks test_images; it has test_labels, train_images, train_labels"),
    "volumes": ({"test_images": np.zeros((6, 8, 8, 8), np.uint8)}, r"test_images is uint8 \(6, 8, 8, 8\); it must be"),
}


@pytest.mark.parametrize("case", MEDMNIST)
def test_medmnist_files_that_are_no_such_task(case, tmp_path):
    changed, sentence = MEDMNIST[case]
    arrays = {"x_train": None, "y_train": None, "x_test": None, "y_test": None}
    for part, size in (("train", 9), ("test", 6)):
        arrays[f"{part}_images"] = np.zeros((size, 8, 8), np.uint8)
        arrays[f"{part}_labels"] = (np.arange(size, dtype=np.uint8) % 3)[:, None]
    file = npz(tmp_path / "a.npz", **arrays | changed)
    with pytest.raises(UserError, match=sentence):
        converted(ArraysTask(source="arrays", path=str(file)), tmp_path / "out")
