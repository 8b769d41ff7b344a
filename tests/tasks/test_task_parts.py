"""What people call train, val and test, and which folders are classes: never a complete, meaningless task."""

import json
import re

import pytest

from subtuning.config.tasks import FolderTask
from subtuning.errors import UserError
from subtuning.tasks import check_content, convert_task
from subtuning.tasks.parts import meaning
from subtuning.tasks.source import check_classes
from tests.tasks.pictures import class_folders, picture, save


def converted(root, **more):
    convert_task("toy", FolderTask(source="folder", path=str(root), **more), root.parent / "out", progress=False)
    return check_content(root.parent / "out")


def split_folders(root, *names):
    """`root/<name>/{c0,c1}/`, in each folder as many images a class as its place in `names` says, from 4."""
    for place, name in enumerate(names):
        class_folders(root / name, classes=2, each=4 + place, first=10_000 * place)
    return root


SPLITS = {
    "train val test": (8, 10, 12),
    "train valid test": (8, 10, 12),
    "Train Validation Test": (8, 10, 12),
    "TRAINING dev TESTING": (8, 10, 12),
    "training_set validation-set test_set": (8, 10, 12),
    "train eval test": (8, 10, 12),  # something else is called test, so eval is val
    "train dev eval": (8, 10, 12),
    "train test": (6, 2, 10),
    "Training Testing": (6, 2, 10),
    "train valid": (6, 2, 10),  # what is held out and alone is the test part
    "seg_train seg_test": (6, 2, 10),
    "train eval": (6, 2, 10),
}
"""Names of three or two folders -> number of images in train, val and test."""


@pytest.mark.parametrize("names", SPLITS)
def test_folders_named_like_parts_are_parts(names, tmp_path, capfd):
    task = converted(split_folders(tmp_path / "in", *names.split()), val=2)
    assert task.classes == ("c0", "c1")
    assert tuple(task.counts[part] for part in ("train", "val", "test")) == SPLITS[names]
    warned = capfd.readouterr().err
    assert warned == (
        f"warning: task toy: {tmp_path / 'in'} has no test part, so valid is taken for it, and val is split off train\n"
        if names == "train valid"
        else ""
    )
    assert len(json.loads((tmp_path / "out" / "task.json").read_text())["warnings"]) == (names == "train valid")


def test_a_class_may_be_called_like_a_part(tmp_path):
    class_folders(tmp_path / "in")
    for number, name in enumerate(("train", "bus", "tram")):
        (tmp_path / "in" / f"c{number}").rename(tmp_path / "in" / name)
    assert converted(tmp_path / "in").classes == ("bus", "train", "tram")
    for word in ("contest", "trainer", "values", "device", "data", "set", "", "latest", "image", "tests-of-patience"):
        assert meaning(word) is None


LAYOUTS = {
    "two words for train": ("train Training test", "in has Training and train, which mean the same part; keep one"),
    "two words for val": ("train val dev test", "in has dev and val, which mean the same part"),
    "eval, val and test": ("train val eval test", "in has val and eval, which mean the same part"),
    "no train": ("valid test", r"in has test/, valid/ but no train/; add train/"),
    "only Train": ("Train", r"in has Train/ but no test/; add test/, or move what is in Train/ up into"),
    "only valid": ("valid", r"in has valid/ but no train/"),
    "parts and more": ("Train Test pictures", r"in has Train/ and also pictures; keep only Train/, val/ and test/"),
    "a level too high": ("flowers", r"in holds only the folder flowers; use path: \S+/in/flowers$"),
    "domains": ("photo sketch", r"in has the same subfolders \(c0, c1\) in photo, sketch, so it is not clear"),
    "folds": ("f1 f2 f3 f4", r"in has the same subfolders \(c0, c1\) in f1, f2, f3, and 1 more, so"),
    "a head and more": (
        "seg_train seg_test seg_pred",
        "in has seg_train/ and also seg_pred; keep only seg_train/, val",
    ),
    "inside the parts": (
        "train/train test",
        r"in/train holds only the folder train; move what is in that up into \S+/in/train$",
    ),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_folders_that_cannot_be_meant_give_one_sentence(case, tmp_path):
    names, sentence = LAYOUTS[case]
    with pytest.raises(UserError) as caught:
        converted(split_folders(tmp_path / "in", *names.split()))
    assert re.search(sentence, str(caught.value)), str(caught.value)
    assert not (tmp_path / "out").exists()


def test_parts_inside_the_classes_are_refused(tmp_path):
    for name in ("cat", "dog"):
        split_folders(tmp_path / "in" / name, "train", "test")
    with pytest.raises(UserError, match=r"has the same subfolders \(test, train\) in cat, dog, so"):
        converted(tmp_path / "in")


def test_folders_that_share_most_of_their_folders_are_refused(tmp_path):
    split_folders(tmp_path / "in", "photo", "sketch")
    class_folders(tmp_path / "in" / "photo", classes=4)
    with pytest.raises(UserError, match=r"has the same subfolders \(c0, c1\) in photo, sketch, so .*source: csv"):
        converted(tmp_path / "in")
    for name in ("photo", "sketch"):  # with images of their own, they are the classes
        save(tmp_path / "in" / name / "own.png", picture(77))
    assert converted(tmp_path / "in").classes == ("photo", "sketch")


def test_one_folder_inside_each_class_is_a_usual_layout(tmp_path):
    for name in ("cat", "dog"):
        for i in range(6):
            save(tmp_path / "in" / name / "images" / f"{i}.png", picture(i + 10 * (name == "cat")))
    assert converted(tmp_path / "in").classes == ("cat", "dog")


ALIKE = {
    "case": ["cat", "Cat"],
    "a blank at the end": ["cat", "cat "],
    "two blanks inside": ["big cat", "big  cat"],
    "composed letters": ["na\u00efve", "nai\u0308ve"],
    "one letter in two forms": ["\u00e5", "a\u030a"],
}


@pytest.mark.parametrize("case", ALIKE)
def test_class_names_that_look_the_same_are_refused(case, tmp_path):
    first, second = ALIKE[case]
    sentence = (
        "x has class names that differ only in case, blanks or the Unicode form of a letter: "
        f"{first!r} and {second!r}; make them one class, or give them unlike names"
    )
    with pytest.raises(UserError, match=f"^{re.escape(sentence)}$".replace("\u0308", ".?")):
        check_classes(["dog", first, second], "x")


def test_letters_of_an_alphabet_may_differ_in_case():
    assert check_classes(["A", "a", "B", "b"], "x") == ("A", "a", "B", "b")


def test_classes_without_test_images_are_named(tmp_path, capfd):
    split_folders(tmp_path / "in", "train", "val", "test")
    save(tmp_path / "in" / "train" / "rare" / "0.png", picture(999))
    converted(tmp_path / "in")
    start = "warning: task toy: 1 of 3 classes have"
    assert capfd.readouterr().err == (
        f"{start} no test image, so that the test accuracy says nothing about them: rare\n"
        f"{start} one image in train and val, so that cross-validation cannot both train and score them: rare\n"
    )


def test_a_folder_is_split_as_it_always_was(tmp_path):
    """The split is part of what a number means."""
    task = converted(class_folders(tmp_path / "in"), val=3, test=3)
    assert task.sha256 == "ca4708d2bc9f52d08e0534426705bb4d224a092aac4337e3aca9f4981a893dbb"
