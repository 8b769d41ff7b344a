"""A table of paths and labels is read as people write it, and a wrong one gives one sentence before any work."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from subtuning.config import TaskEntry, parse_entry
from subtuning.errors import UserError
from subtuning.tasks import check_content, convert_task
from subtuning.workflow.params import Params
from tests.tasks.pictures import picture, save

LABELS = ["cat", "NA", "big dog"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """`im/0000.png` to `0017.png`, in two subfolders from 0012 on."""
    root = tmp_path_factory.mktemp("csv")
    for i in range(18):
        save(root / "im" / ("" if i < 12 else f"part {i % 2}") / f"{i:04d}.png", picture(i))
    save(root / "im" / "other.jpg", picture(90))
    save(root / "im" / "other.png", picture(91))
    return root


def table(path, label, *more, header="id,label", between=",", end="\n"):
    """18 lines; `path`, `label` and what `more` has are functions of a line's number."""
    lines = [between.join(str(cell(i)) for cell in (path, label, *more)) for i in range(18)]
    return end.join([*([header] if header else []), *lines]) + end


def converted(root, out, text, **keys):
    file = out / "labels.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    spec = parse_entry(TaskEntry, {"source": "csv", "path": str(file), "images": str(root / "im"), **keys}, "task")
    convert_task("toy", spec, out / "out", progress=False)
    return check_content(out / "out")


def ident(i):
    return f"{i:04d}"


def name(i):
    return LABELS[i % 3]


def split(i):
    return ("train", "Train", "VALID", "testing", "train", "train")[i // 3]


NAMED = {
    "ids": (table(ident, name), {}),
    "names": (table(lambda i: f"{i:04d}.png", name, header="File Name,Class"), {}),
    "tabs, a byte order mark, Windows": (
        "\ufeff" + table(ident, name, header="image-id\tlabel", between="\t", end="\r\n"),
        {},
    ),
    "semicolons": (table(ident, name, header="image;target", between=";"), {}),
    "quotes": (table(ident, lambda i: f'"{name(i)}"', header='"path","label"'), {}),
    "blanks and empty lines": (table(ident, lambda i: f" {name(i)} \n") + "\n,\n", {}),
    "more columns": (table(lambda i: 7, ident, name, header=",id,label"), {}),
    "own columns": (table(ident, name, header="key,what"), {"path_column": "key", "label_column": "what"}),
    "no header": (table(ident, name, header=None), {"columns": ["path", "label"]}),
    "a given separator": (
        table(ident, name, header="id;label,or so", between=";"),
        {"separator": "semicolon", "label_column": "label,or so"},
    ),
    "./ and backslashes": (table(lambda i: f".\\{i:04d}.png" if i < 12 else ident(i), name), {}),
}
"""Each is the same task: the label of image i is `name(i)`."""


@pytest.mark.parametrize("case", NAMED)
def test_tables_as_people_write_them(case, root, tmp_path):
    text, keys = NAMED[case]
    task = converted(root, tmp_path, text, **keys)
    assert list(task.classes) == ["NA", "big dog", "cat"]
    assert task.counts == {"train": 10, "val": 4, "test": 4}
    stored = {image.tobytes(): label for part in task.counts for image, label in zip(*task.part(part), strict=True)}
    assert stored == {picture(i).tobytes(): (2, 0, 1)[i % 3] for i in range(18)}


def test_absolute_paths_below_the_images(root, tmp_path):
    text = table(lambda i: root / "im" / f"{i:04d}.png" if i < 12 else ident(i), name)
    assert sum(converted(root, tmp_path, text).counts.values()) == 18


def test_whole_numbers_are_classes_in_the_order_of_the_numbers(root, tmp_path):
    task = converted(root, tmp_path, table(ident, lambda i: (10, 9, 3)[i % 3]))
    assert task.classes == ("3", "9", "10")
    assert np.bincount(np.concatenate([task.part(part)[1] for part in task.counts])).tolist() == [6, 6, 6]


def test_a_split_column_decides_the_parts(root, tmp_path, capfd):
    text = table(ident, name, split, header="id,label,split")
    task = converted(root, tmp_path, text)
    assert task.counts == {"train": 12, "val": 3, "test": 3}
    assert task.part("test")[0][0].tobytes() == picture(9).tobytes()
    assert capfd.readouterr().err == ""
    assert converted(root, tmp_path, text, split_column="none").counts == {"train": 10, "val": 4, "test": 4}
    text = table(ident, name, lambda i: "val" if i < 6 else "train", header="id,label,set")
    assert converted(root, tmp_path, text, val=3).counts == {"train": 9, "val": 3, "test": 6}
    assert "labels.csv has no test part, so val is taken for it, and val is split off train" in capfd.readouterr().err


GOOD = table(ident, name)
WRONG = {
    "no columns": ("only\nwords\n", {}, "the first line has no comma, semicolon or tab between columns; name what"),
    "empty": ("", {}, "the first line has no comma"),
    "only a header": ("id,label\n", {}, r"has no lines below its header; it needs a line for each image"),
    "a wrong separator": (GOOD, {"separator": "tab"}, "has no column named path, file, filename or the like"),
    "no header": (
        table(ident, name, header=None),
        {},
        "no column named path, file, filename or the like; its first line is 0000, cat; say path_column: and its name, "
        "or columns: and all names if that line is no header",
    ),
    "too few names": (GOOD, {"columns": ["path"]}, "has 2 columns, but columns: names 1; name all of them"),
    "no label column": (
        "id,whatever\n0001,a\n",
        {},
        "no column named label, labels, class or the like; .*label_column",
    ),
    "a misspelt column": (
        GOOD,
        {"label_column": "labell"},
        r"no column 'labell' \(did you mean 'label'\?\); it has id, label",
    ),
    "one column for two": (
        GOOD,
        {"path_column": "label"},
        "path_column, label_column and split_column must be different",
    ),
    "a column twice": ("id,x,x\n1,2,3\n", {"label_column": "x"}, "has two columns 'x'; rename one"),
    "too many cells": (GOOD + "0001,a,b\n", {}, r"no table of columns \(Expected 2 fields in line 20, saw 3\); quote"),
    "an open quote": (GOOD + '"0001,a\n', {}, "no table of columns .EOF inside string"),
    "no label": ("id,label\n0001,a\n\n0002,\n", {}, "empty cells in the column 'label': line 4; fill them or remove"),
    "no path": (GOOD + ",a\n", {}, "empty cells in the column 'id': line 20"),
    "one class": ("id,label\n0001,a\n0002,a\n", {}, "holds only the class 'a'"),
    "two spellings": (table(ident, lambda i: "cat" if i else "Cat"), {}, "differ only in case.*'Cat' and 'cat'"),
    "more than there are": (GOOD, {"test": 16}, "labels.csv: test: 16 of 18 images cannot be set aside.* at most 15"),
    "missing": (GOOD + "0099,cat\n", {}, r"1 images that are not found below .*relative to: line 20 \(0099: missing\)"),
    "unclear": (GOOD + "other,cat\n", {}, r"line 20 \(other: other\.\w+ or other\.\w+\?\)"),
    "the folder is part of the path": (
        table(lambda i: f"im/{i:04d}.png", name),
        {},
        r"; say images: \S+csv\d+: line 2",
    ),
    "outside": (
        GOOD + "../im/0001.png,cat\n/etc/passwd,cat\n",
        {},
        r"outside .*: line 20 \(\.\./im.*line 21 .* below images",
    ),
    "a file twice": (
        GOOD + "./0001.png,dog\n",
        {},
        r"images twice: line 20 \(\./0001\.png, as in line 3\); keep one line",
    ),
    "words for no part": (
        table(ident, name, lambda i: i % 2, header="id,label,split"),
        {},
        "parts that are not .*: 0, 1; ",
    ),
    "no train": (table(ident, name, lambda i: "test", header="id,label,split"), {}, "has no lines for train; add them"),
    "no test": (
        table(ident, name, lambda i: "train", header="id,label,split"),
        {},
        "no lines for test; .*split_column: none",
    ),
    "two words for one part": (
        table(ident, name, lambda i: ("train", "val", "dev", "test")[i % 4], header="id,label,split"),
        {},
        "has val and dev, which mean the same part",
    ),
    "a spreadsheet": (
        b"PK\x03\x04\xff\xfe\x00",
        {},
        "not UTF-8 text; it must hold columns of paths and labels, saved as CSV",
    ),
    "no table": (GOOD, {"path": "gone.csv"}, "task table gone.csv does not exist; path: must be"),
    "no images": (GOOD, {"images": "gone"}, "image folder gone does not exist; images: must be the folder"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_table_gives_one_sentence(case, root, tmp_path):
    text, keys, sentence = WRONG[case]
    with pytest.raises(UserError) as caught:
        converted(root, tmp_path, text, **keys)
    assert re.search(sentence, str(caught.value)), str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_changed_table_or_image_is_converted_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.csv").write_text(GOOD)
    save(tmp_path / "im" / "0000.png", picture(0))
    content = {
        "tasks": {"a": {"source": "csv", "path": "labels.csv", "images": "im"}},
        "backbones": {"b": {"model": "test_vit", "weights": "random"}},
    }
    wildcards = SimpleNamespace(task="a")
    states = {Params(content).task_state(wildcards)}
    save(tmp_path / "im" / "0000.png", picture(1, 20))
    states.add(Params(content).task_state(wildcards))
    (tmp_path / "labels.csv").write_text(GOOD + "0001,dog\n")
    states.add(Params(content).task_state(wildcards))
    assert len(states) == 3
    content["tasks"]["a"]["images"] = "."  # for paths from there; what a run writes beside the images is none of them
    before = Params(content).task_state(wildcards)
    save(tmp_path / "results" / "figures" / "profile.png", picture(2))
    assert Params(content).task_state(wildcards) == before
    content["tasks"]["a"]["images"] = "gone"
    with pytest.raises(UserError, match=r"^config: tasks\.a\.images is 'gone', which does not exist"):
        Params(content)
