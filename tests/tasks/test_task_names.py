"""The images of a converted task keep the names by which they are found in the source."""

import json

import numpy as np
import pytest

from subtuning.config.tasks import ArraysTask, BuiltinTask, FolderTask
from subtuning.errors import UserError
from subtuning.tasks import convert_task, load_task
from subtuning.tasks.task import content_hash, read_facts
from tests.tasks.pictures import class_folders, npz, picture


def converted(spec, out):
    convert_task("toy", spec, out, progress=False)
    return load_task(out)


def all_names(task):
    return [name for part in task.counts for name in task.names(part)]


def test_a_files_name_leads_to_the_photo(tmp_path):
    task = converted(FolderTask(source="folder", path=str(class_folders(tmp_path / "in"))), tmp_path / "out")
    seen = set()
    for part in task.counts:
        images, _ = task.part(part)
        for image, name in zip(images, task.names(part), strict=True):
            label, number = int(name[1]), int(name[3])
            assert name == f"c{label}/{number}.png"
            assert np.array_equal(image, picture(100 * label + number))
            seen.add(name)
    assert len(seen) == sum(task.counts.values())


def test_where_there_are_no_files_a_name_holds_the_place(tmp_path):
    task = converted(ArraysTask(source="arrays", path=str(npz(tmp_path / "a.npz"))), tmp_path / "arrays")
    whole = np.load(tmp_path / "a.npz")["x_train"]
    for image, name in zip(task.part("val")[0], task.names("val"), strict=True):
        assert np.array_equal(image, whole[int(name.removeprefix("x_train[").removesuffix("]"))])
    digits = converted(BuiltinTask(source="builtin"), tmp_path / "digits")
    assert sorted(all_names(digits)) == sorted(f"digit {i}" for i in range(1797))


def test_dropped_copies_take_their_names_along(tmp_path):
    root = class_folders(tmp_path / "in")
    (root / "c1" / "again.png").write_bytes((root / "c1" / "0.png").read_bytes())
    task = converted(FolderTask(source="folder", path=str(root), copies="drop"), tmp_path / "out")
    for part in task.counts:
        for image, name in zip(task.part(part)[0], task.names(part), strict=True):
            number = 0 if name == "c1/again.png" else int(name[3])
            assert np.array_equal(image, picture(100 * int(name[1]) + number))


def test_names_are_no_part_of_the_content(tmp_path):
    root = class_folders(tmp_path / "in")
    task = converted(FolderTask(source="folder", path=str(root)), tmp_path / "out")
    for file in root.rglob("*.png"):
        file.rename(file.with_name(f"photo{file.name}"))
    other = converted(FolderTask(source="folder", path=str(root)), tmp_path / "other")
    assert other.sha256 == task.sha256
    assert other.names("test") == [name.replace("/", "/photo") for name in task.names("test")]


def test_names_that_no_text_can_hold_are_kept(tmp_path):
    root = class_folders(tmp_path / "in")
    odd = b"\xff\n.png".decode(errors="surrogateescape")
    (root / "c0" / "0.png").rename(root / "c0" / odd)
    task = converted(FolderTask(source="folder", path=str(root)), tmp_path / "out")
    assert f"c0/{odd}" in all_names(task)


def test_a_task_of_an_earlier_version_has_rows_for_names(tmp_path):
    task = converted(BuiltinTask(source="builtin"), tmp_path / "out")
    file = tmp_path / "out" / "names.json"
    whole = json.loads(file.read_text())
    for other in (whole | {"sha256": "0" * 64}, whole | {"val": whole["val"][1:]}, None):
        file.write_text(json.dumps(other)) if other else file.unlink()
        assert task.names("val") == list(range(200))
    assert content_hash(task.path, task.classes) == read_facts(task.path)["sha256"]


@pytest.mark.parametrize("text", ["", "[]", "{", "{}"])
def test_damaged_names_are_one_sentence(tmp_path, text):
    task = converted(BuiltinTask(source="builtin"), tmp_path / "out")
    (tmp_path / "out" / "names.json").write_text(text)
    with pytest.raises(UserError, match=r"names\.json is damaged; convert the task again"):
        task.names("val")
