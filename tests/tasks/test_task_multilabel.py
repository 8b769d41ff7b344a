"""Tasks whose images have several labels: read from a table, split by each label, checked on disk."""

import json
import re

import numpy as np
import pytest

from subtuning.config import TaskEntry, parse_entry
from subtuning.errors import UserError
from subtuning.tasks import convert_task, load_task
from subtuning.tasks.export import export_task
from subtuning.tasks.splits import folds, take
from tests.tasks.pictures import picture, save

OWN = [["cat"], ["dog"], ["cat", "dog"], [], ["owl", "cat"], ["cat", "dog"]]
"""The labels of image i are `OWN[i % 6]`."""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("several")
    for i in range(36):
        save(root / "im" / f"{i:02d}.png", picture(i))
    return root


def lines(cells, header="id,labels"):
    return "\n".join([header, *(f"{i:02d},{cells(OWN[i % 6])}" for i in range(36))]) + "\n"


def converted(root, out, text, **keys):
    (out / "labels.csv").write_text(text)
    entry = {"source": "csv", "path": str(out / "labels.csv"), "images": str(root / "im"), **keys}
    convert_task("toy", parse_entry(TaskEntry, entry, "task"), out / "out", progress=False)
    return load_task(out / "out")


def cells_of(own):
    return ",".join(str(int(name in own)) for name in ("cat", "dog", "owl"))


WAYS = {
    "bar": (lines("|".join), {"label_separator": "bar"}),
    "semicolon, blanks, twice": (lines(lambda own: "; ".join([*own, *own])), {"label_separator": "semicolon"}),
    "comma": (lines(lambda own: f'"{",".join(own)}"'), {"label_separator": "comma"}),
    "blank": (lines(" ".join), {"label_separator": "blank"}),
    "columns": (lines(cells_of, header="id,cat,dog,owl"), {"label_columns": ["cat", "dog", "owl"]}),
}


@pytest.mark.parametrize("way", WAYS)
def test_tables_as_people_write_them(way, root, tmp_path, capfd):
    text, keys = WAYS[way]
    task = converted(root, tmp_path, text, **keys)
    assert (task.classes, task.multilabel) == (("cat", "dog", "owl"), True)
    assert "labels.csv: 6 images have none of the 3 labels" in capfd.readouterr().err
    stored = {
        image.tobytes(): label.tolist() for part in task.counts for image, label in zip(*task.part(part), strict=True)
    }
    assert stored == {picture(i).tobytes(): [int(n in OWN[i % 6]) for n in task.classes] for i in range(36)}
    facts = json.loads((task.path / "task.json").read_text())
    assert np.sum(list(facts["label_counts"].values()), axis=0).tolist() == [24, 18, 6]


def test_every_label_is_in_every_part_and_fold(root, tmp_path):
    task = converted(root, tmp_path, WAYS["bar"][0], label_separator="bar")
    assert task.counts == {"train": 22, "val": 7, "test": 7}
    for part, counts in {"train": (14, 11, 3), "val": (4, 3, 1), "test": (4, 3, 1)}.items():
        assert np.abs(task.part(part)[1].sum(0) - counts).max() <= 2, part
        assert task.part(part)[1].sum(0).min() >= 1, part
    labels = np.concatenate([task.part(part)[1] for part in ("train", "val")])
    held = [labels[fold] for _, fold in task.folds(4)]
    assert sorted(map(len, held)) == [7, 7, 7, 8]
    assert min(fold.sum(0).min() for fold in held) >= 1


WRONG = {
    "no 0 or 1": (
        lines(lambda own: "yes,0,1", header="id,cat,dog,owl"),
        {"label_columns": ["cat", "dog", "owl"]},
        "cells in label_columns that are neither 0 nor 1: yes; correct them",
    ),
    "an empty cell": (
        lines(lambda own: "1,", header="id,a,b"),
        {"label_columns": ["a", "b"]},
        r"empty cells in the column \'b\'",
    ),
    "a misspelt column": (
        lines(lambda own: "1,0", header="id,cat,dog"),
        {"label_columns": ["cat", "dgo"]},
        r"no column 'dgo' \(did you mean 'dog'\?\)",
    ),
    "a column twice": (
        lines(lambda own: "1,0", header="id,cat,dog"),
        {"label_columns": ["cat", "id"]},
        "path_column, label_columns and split_column must be different",
    ),
    "one label": (lines(lambda own: "cat"), {"label_separator": "bar"}, "only the class 'cat'"),
    "two ways": (lines("|".join), {"label_separator": "bar", "label_columns": ["a"]}, "keep one of these ways"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_table_gives_one_sentence(case, root, tmp_path):
    text, keys, sentence = WRONG[case]
    with pytest.raises(UserError) as caught:
        converted(root, tmp_path, text, **keys)
    assert re.search(sentence, str(caught.value)), str(caught.value)


def test_labels_that_look_like_several_are_asked_about(root, tmp_path, capfd):
    text = lines(lambda own: "|".join(own) or "none")
    assert not converted(root, tmp_path, text.replace("owl|cat", "owl")).multilabel
    assert "has labels such as 'cat|dog', which may be several labels; if so, say label_separator: bar" in (
        capfd.readouterr().err
    )


def test_an_entry_of_an_earlier_version_is_the_same(tmp_path):
    entry = parse_entry(TaskEntry, {"source": "csv", "path": "a", "images": "b"}, "task")
    assert not {"label_separator", "label_columns", "recipe"} & entry.entry().keys()
    assert entry.model_copy(update={"label_separator": "bar"}).entry()["label_separator"] == "bar"


def test_images_with_other_labels_are_no_copies_of_one_kind(root, tmp_path):
    for i in (0, 6, 7):  # two cats, and a dog that looks the same
        save(tmp_path / "im" / f"{i:02d}.png", picture(99))
    for i in range(36):
        if not (tmp_path / "im" / f"{i:02d}.png").exists():
            save(tmp_path / "im" / f"{i:02d}.png", picture(i))
    converted(tmp_path, tmp_path, lines("|".join), label_separator="bar")
    facts = json.loads((tmp_path / "out" / "task.json").read_text())["copies"]
    assert facts["conflicts"] == 1
    task = converted(tmp_path, tmp_path, lines("|".join), label_separator="bar", copies="drop")
    assert sum(task.counts.values()) < 36


@pytest.mark.parametrize("damage", ["a two", "a column less"])
def test_damaged_labels_are_one_sentence(damage, root, tmp_path):
    task = converted(root, tmp_path, WAYS["bar"][0], label_separator="bar")
    labels = np.load(task.path / "val" / "labels.npy")
    labels[0, 0] = 2
    np.save(task.path / "val" / "labels.npy", labels if damage == "a two" else labels[:, 1:])
    with pytest.raises(UserError, match="convert the task again"):
        load_task(task.path)


def test_lists_cannot_hold_it(root, tmp_path):
    task = converted(root, tmp_path, WAYS["bar"][0], label_separator="bar")
    with pytest.raises(UserError, match="a multi-label task cannot be exported"):
        export_task(task.path, tmp_path / "lists", progress=False)


def some_labels(count=200, seed=0):
    """Common, rarer and rare labels, and images without any."""
    return (np.random.default_rng(seed).random((count, 5)) < [0.6, 0.3, 0.1, 0.05, 0.03]).astype(np.uint8)


@pytest.mark.parametrize("seed", range(5))
def test_parts_are_stratified_by_each_label(seed):
    labels = some_labels(seed=seed)
    for k in (2, 5):
        held = [fold for _, fold in folds(labels, k)]
        assert sorted(np.concatenate(held).tolist()) == list(range(200))
        assert {len(fold) for fold in held} == {200 // k}
        share = labels.sum(0) / k
        assert max(np.abs(labels[fold].sum(0) - share).max() for fold in held) <= 2.5
    rest, chosen = take(labels, 40, seed, "test")
    assert len(chosen) == 40
    assert sorted([*rest, *chosen]) == list(range(200))
    assert np.abs(labels[chosen].sum(0) - labels.sum(0) / 5).max() <= 2


def test_copies_share_a_fold():
    labels, same = some_labels(), np.arange(200)
    same[[5, 9, 50]] = 3
    labels[[5, 9, 50]] = labels[3]
    for _, fold in folds(labels, 4, same=same):
        assert {3, 5, 9, 50} <= set(fold.tolist()) or not {3, 5, 9, 50} & set(fold.tolist())
        assert 48 <= len(fold) <= 52


def test_what_cannot_be_split_is_one_sentence():
    with pytest.raises(UserError, match="3 images cannot be split into 4 folds"):
        folds(some_labels(3), 4)
    with pytest.raises(UserError, match="no class has two images"):
        folds(np.eye(4, dtype=np.uint8), 2)
    with pytest.raises(UserError, match="test: 9 of 9 images cannot be set aside; use at most 8"):
        take(some_labels(9), 9, 0, "test")
