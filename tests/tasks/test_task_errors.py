"""Wrong input stops with one sentence that names the offenders, and nothing is left behind."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from subtuning.config.tasks import ArraysTask, FolderTask, ImageListTask
from subtuning.errors import UserError
from subtuning.tasks import check_content, convert_task, load_task
from tests.tasks.pictures import class_folders, list_folder, npz, picture, save


def folder(root, **more):
    return FolderTask(source="folder", path=str(root), **more)


def lists(root):
    return ImageListTask(source="image_list", path=str(root))


def arrays(path, **more):
    return ArraysTask(source="arrays", path=str(path), **more)


def write(root, name, text):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def append(root, name, text):
    with (root / name).open("a") as file:
        file.write(text)


def folder_case(change, **more):
    def make(root):
        class_folders(root)
        change(root)
        return folder(root, **more)

    return make


def list_case(change):
    def make(root):
        list_folder(root)
        change(root)
        return lists(root)

    return make


def npz_case(**more):
    options = {name: more.pop(name) for name in ("val",) if name in more}
    return lambda root: arrays(npz(root / "a.npz", **more), **options)


def with_broken_files(root):
    write(root, "c0/0.png", "no image")
    (root / "c2" / "x.jpg").symlink_to("nowhere.jpg")


def cut(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    return path


def flipped(path):
    """One bit of the pixels is changed: only the checksum inside the zip can tell."""
    npz(path, test=400)
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("x_test.npy").header_offset + 40_000
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(data)
    return path


def bare_numbers(path):
    np.save(path.with_suffix(".npy"), np.zeros(3))
    return path.with_suffix(".npy").rename(path)


def parts(root, test="c0 c1"):
    class_folders(root / "train", classes=2)
    for name in test.split():
        save(root / "test" / name / "0.png", picture(900))


OBJECTS = np.array([{"a": 1}] * 12, dtype=object)
CASES = {
    # folder
    "no folder": (lambda root: folder(root / "gone"), r"gone does not exist; path: must be a folder"),
    "no subfolders": (lambda root: save(root / "a.png", picture(0)) and folder(root), "has no subfolders"),
    "one class": (lambda root: folder(class_folders(root, classes=1)), "only the class 'c0'; .* at least two"),
    "empty classes": (
        folder_case(lambda root: [(root / name).mkdir() for name in ("cat", "dog")]),
        r"class folders without images: cat, dog; fill or remove",
    ),
    "broken files": (
        folder_case(with_broken_files),
        r"2 images cannot be used; .*: c0/0\.png \(not an image\), c2/x\.jpg \(missing\)",
    ),
    "many broken files": (
        lambda root: [write(root, f"c{i % 2}/{i:02d}.png", "x") for i in range(25)] and folder(root),
        r"25 images cannot .*, and 15 more",
    ),
    "link loop": (
        folder_case(lambda root: (root / "c0" / "again").symlink_to("..")),
        "c0/again in .* is a link to a folder that holds it",
    ),
    "too few for test": (folder_case(lambda root: None, test=16), r"in: test: 16 of 18 images cannot .* at most 15"),
    "too few for val": (folder_case(lambda root: None, test=3, val=13), r"in: val: 13 of 15 images"),
    "train without test": (lambda root: parts(root, "") or folder(root), r"has train/ but no test/; add test/"),
    "train, test and more": (
        lambda root: parts(root) or (save(root / "extra" / "a.png", picture(0)) and folder(root)),
        "has train/ and also extra; keep only",
    ),
    "unknown test class": (lambda root: parts(root, "c0 cx") or folder(root), r"classes that train/ has not: cx"),
    # image_list
    "no list folder": (lambda root: lists(root / "gone"), "gone does not exist"),
    "no lists": (list_case(lambda root: (root / "test.txt").unlink()), r"lacks test\.txt; each part needs its list"),
    "two train lists": (list_case(lambda root: write(root, "train.txt", "a 0")), r"both train800\.txt and train\.txt"),
    "listed but missing": (list_case(lambda root: append(root, "test.txt", "a.png 0\n")), r"a\.png \(missing\)"),
    "listed folder": (list_case(lambda root: append(root, "test.txt", "images 0\n")), "images .not a regular file"),
    "no label": (list_case(lambda root: append(root, "test.txt", "a.png\n")), r"test\.txt .*: line 5 \(a\.png\)"),
    "label -1": (list_case(lambda root: append(root, "test.txt", "a.png -1\n")), r"line 5 \(a\.png -1\)"),
    "label 1.0": (list_case(lambda root: append(root, "test.txt", "a.png 1.0\n")), r"line 5 \(a\.png 1\.0\)"),
    "label 1e9": (list_case(lambda root: append(root, "test.txt", f"a.png {10**9}\n")), "line 5"),
    "label above classes.txt": (
        list_case(lambda root: write(root, "classes.txt", "only\nthese\n") or append(root, "test.txt", "x.png 2\n")),
        r"test\.txt has labels above 1 .*: line 5 \(x\.png 2\)",
    ),
    "path with ..": (list_case(lambda root: append(root, "test.txt", "../a.png 0\n")), r"outside its folder: line 5"),
    "absolute path": (list_case(lambda root: append(root, "test.txt", "/a.png 0\n")), r"outside its folder: line 5"),
    "empty list": (list_case(lambda root: write(root, "test.txt", "\n")), r"test\.txt is empty"),
    "binary list": (list_case(lambda root: (root / "test.txt").write_bytes(b"\xff\xfe\x00")), "not UTF-8"),
    "shared image": (
        list_case(lambda root: append(root, "test.txt", "images/val200/000000.png 0\n")),
        r"in two parts at once: images/val200/000000\.png \(val and test\)",
    ),
    "inconsistent both": (
        list_case(lambda root: append(root, "train800val200.txt", "images/test/000000.png 0\n")),
        r"train800val200\.txt does not hold the labels",
    ),
    "class named twice": (list_case(lambda root: write(root, "classes.txt", "a\nb\na\n")), r"names .* twice: a"),
    # arrays
    "no file": (lambda root: arrays(root / "gone.npz"), r"gone\.npz does not exist"),
    "cut npz": (lambda root: arrays(cut(npz(root / "a.npz"), 700)), "not a readable .npz file"),
    "npy instead": (lambda root: arrays(bare_numbers(root / "a.npz")), "not a readable .npz file"),
    "damaged pixels": (lambda root: arrays(flipped(root / "a.npz")), "x_test cannot be read to its end"),
    "missing array": (npz_case(y_test=None), r"lacks y_test; it has x_test, x_train, y_train"),
    "x_val alone": (npz_case(x_val=np.zeros((1, 6, 7, 3), np.uint8)), "lacks y_val"),
    "object labels": (npz_case(y_train=OBJECTS), "y_train holds Python objects"),
    "float images": (
        npz_case(x_train=np.zeros((12, 6, 7, 3))),
        r"x_train is float64 \(12, 6, 7, 3\); it must be uint8",
    ),
    "four channels": (npz_case(x_test=np.zeros((5, 6, 7, 4), np.uint8)), r"x_test is uint8 \(5, 6, 7, 4\)"),
    "no images": (npz_case(x_test=np.zeros((0, 6, 7, 3), np.uint8)), r"x_test is uint8 \(0, 6, 7, 3\)"),
    "two sizes": (npz_case(x_test=np.zeros((5, 8, 7, 3), np.uint8)), r"x_train \(6, 7, 3\), x_test \(8, 7, 3\)"),
    "float labels": (npz_case(y_train=np.arange(12.0)), "y_train must be .* whole numbers, not float64"),
    "negative label": (npz_case(y_train=np.arange(12) % 3 - 1), r"4 labels outside 0 to 2: -1 \(row 0\)"),
    "label above names": (
        npz_case(class_names=np.array(["a", "b"])),
        r"y_train has 4 labels outside 0 to 1: 2 \(row 2\)",
    ),
    "huge label": (npz_case(y_test=np.array([0, 1, 2, 0, 10**12])), rf"{10**12} \(row 4\)"),
    "other count": (npz_case(y_test=np.arange(4) % 3), "x_test has 5 images, but y_test has 4 labels"),
    "one array class": (
        npz_case(y_train=np.zeros(12, int), y_test=np.zeros(5, int), class_names=np.array(["a"])),
        "two",
    ),
    "val too large": (npz_case(val=10), r"val: 10 of 12 images cannot be set aside"),
}


@pytest.mark.parametrize("case", CASES)
def test_wrong_input_gives_one_sentence_and_leaves_nothing(case, tmp_path):
    make, sentence = CASES[case]
    (tmp_path / "in").mkdir()
    spec = make(tmp_path / "in")
    with pytest.raises(UserError) as caught:
        convert_task("toy", spec, tmp_path / "results" / "toy", workers=2, progress=False)
    message = str(caught.value)
    assert re.search(sentence, message), message
    assert "\n" not in message
    left = [path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "in")]
    assert left in ([], [tmp_path / "results"])


def test_a_failed_conversion_leaves_the_old_task_usable(tmp_path):
    convert_task("toy", folder(class_folders(tmp_path / "in")), tmp_path / "out", progress=False)
    before = load_task(tmp_path / "out")
    write(tmp_path / "in", "c0/0.png", "no image")
    with pytest.raises(UserError, match="cannot be used"):
        convert_task("toy", folder(tmp_path / "in"), tmp_path / "out", progress=False)
    assert check_content(tmp_path / "out") == before


def test_pixels_that_break_only_while_decoding_leave_nothing(tmp_path):
    class_folders(tmp_path / "in")
    Image.fromarray(picture(1, 60, 60)).save(tmp_path / "in" / "c0" / "0.png")
    cut(tmp_path / "in" / "c0" / "0.png", 3000)
    with pytest.raises(UserError, match=r"1 image cannot be used; .*c0/0\.png \(truncated\)"):
        convert_task("toy", folder(tmp_path / "in"), tmp_path / "out", workers=2, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("moved", range(7))
def test_a_conversion_killed_while_it_replaces_a_task_leaves_none_or_a_whole_one(moved, tmp_path, monkeypatch):
    convert_task("toy", folder(class_folders(tmp_path / "in")), tmp_path / "out", progress=False)
    new = list_folder(tmp_path / "lists")
    replace, done = Path.replace, []

    def killed(self, target):
        if self.name == ".finished.json":  # of what is converted so far
            return replace(self, target)
        if len(done) == moved:
            raise KeyboardInterrupt
        done.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        convert_task("toy", lists(new), tmp_path / "out", progress=False)
    with pytest.raises(UserError, match=r"task\.json is missing"):
        load_task(tmp_path / "out")
    monkeypatch.undo()
    convert_task("toy", lists(new), tmp_path / "out", progress=False)
    assert check_content(tmp_path / "out").counts == {"train": 6, "val": 3, "test": 4}


def test_full_disk_is_told_before_anything_is_written(tmp_path, monkeypatch):
    import shutil

    class_folders(tmp_path / "in")
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match=r"needs 0\.0 GB, but its disk has 0\.0 GB left"):
        convert_task("toy", folder(tmp_path / "in"), tmp_path / "out", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="out cannot be written: "):
        convert_task("toy", folder(class_folders(tmp_path / "in")), tmp_path / "out", progress=False)


DAMAGE = {
    "no task.json": (
        lambda out: (out / "task.json").unlink(),
        r"task\.json is missing: the task has not been converted",
    ),
    "broken task.json": (lambda out: (out / "task.json").write_text("{"), "not valid JSON"),
    "empty task.json": (lambda out: (out / "task.json").write_text("{}"), "damaged .name, classes"),
    "list as task.json": (lambda out: (out / "task.json").write_text("[]"), "damaged"),
    "missing images": (lambda out: (out / "val" / "images.npy").unlink(), r"val/images\.npy is missing"),
    "cut images": (lambda out: cut(out / "val" / "images.npy", 500), r"val/images\.npy has 500 bytes instead of"),
    "cut header": (lambda out: cut(out / "val" / "images.npy", 5), "not a NumPy array"),
    "empty labels": (lambda out: cut(out / "test" / "labels.npy", 0), "not a NumPy array"),
    "other count": (
        lambda out: np.save(out / "test" / "labels.npy", np.zeros(2, np.int64)),
        r"holds int64 \(2,\), but",
    ),
    "other type": (lambda out: np.save(out / "val" / "labels.npy", np.zeros(3)), "holds float64"),
    "label too high": (lambda out: np.save(out / "val" / "labels.npy", np.array([0, 1, 9])), "labels of task.json"),
    "labels changed": (lambda out: np.save(out / "val" / "labels.npy", np.array([0, 0, 0])), "labels of task.json"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_task_is_recognised_when_opened(case, tmp_path):
    damage, sentence = DAMAGE[case]
    convert_task("toy", folder(class_folders(tmp_path / "in"), val=3, test=3), tmp_path / "out", progress=False)
    damage(tmp_path / "out")
    with pytest.raises(UserError, match=sentence):
        load_task(tmp_path / "out")


def test_changed_pixels_are_found_by_the_full_check(tmp_path):
    convert_task("toy", folder(class_folders(tmp_path / "in"), val=3, test=3), tmp_path / "out", progress=False)
    file = tmp_path / "out" / "val" / "images.npy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    load_task(tmp_path / "out")
    with pytest.raises(UserError, match="sha256 differs"):
        check_content(tmp_path / "out")
