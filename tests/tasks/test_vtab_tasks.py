"""All 19 tasks from made-up archives in the true layouts, without TensorFlow: members, order, labels, pixels."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from subtuning.config.tasks import ImageListTask, VtabTask
from subtuning.errors import UserError
from subtuning.tasks import check_content, convert_task
from subtuning.tasks.export import export_task
from subtuning.tasks.task import read_facts
from subtuning.tasks.verify import verify_task
from subtuning.tasks.vtab import labels
from subtuning.tasks.vtab.registry import TASKS
from subtuning.tasks.vtab.scenes import kitti_split

pytestmark = pytest.mark.slow


@pytest.fixture
def raw(vtab_raw):
    return vtab_raw


def spec(name, data_dir, **more):
    return VtabTask(source="vtab", name=name, data_dir=str(data_dir), **more)


def by_md5(split, keys):
    """Our own copy of the rule, in its simplest form."""

    def digest(key):
        return hashlib.md5(split.encode() + (key if isinstance(key, bytes) else str(key).encode())).digest()

    return sorted(keys, key=digest)


def label_of(task, value):
    """The label of what a maker noted down."""
    if task == "clevr_count":
        return len(value) - 3
    if task == "clevr_dist":
        return labels.clevr_distance(value)
    if task.startswith("dsprites"):
        return value[4] // 2 if task.endswith("loc") else int(np.floor(value[3] / 2.5))
    if task.startswith("smallnorb"):
        return value[2] // 2 if task.endswith("azi") else value[1]
    if task == "kitti":
        near = min([z for kind, z in value if kind in ("Car", "Van", "Truck")], default=1000)
        return 0 if near <= 8 else 1 if near <= 20 else 2 if near <= 999 else 3
    return value


def expected_splits(task, made):
    if task == "kitti":
        rows, names = made["all"], list(made["all"])
        return {split: {names[i]: rows[names[i]] for i in ids} for split, ids in kitti_split(made["videos"]).items()}
    return made


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_the_right_members_order_labels_and_pixels(task, raw, tmp_path):
    data_dir, made = raw
    entry = TASKS[task]
    convert_task(task, spec(task, data_dir), tmp_path / "out", workers=2, progress=False)
    converted = check_content(tmp_path / "out")
    facts = read_facts(tmp_path / "out")
    if task == "caltech101":
        assert_caltech(converted, facts, made["caltech101"]["all"])
        return
    splits = expected_splits(task, made[entry.data_set])
    for part, start, count in (("train", 0, 24), ("val", None, 5), ("test", None, None)):
        cut = entry.cuts[part]
        keys = by_md5(cut.split, splits[cut.split])
        start = sum(p * len(keys) // 100 for p in cut.percent) if start is None else start
        keys = keys[start : start + count if count else None]
        images, targets = converted.part(part)
        assert targets.tolist() == [label_of(task, splits[cut.split][key][0]) for key in keys]
        members = [key.decode() if isinstance(key, bytes) else str(key) for key in keys]
        assert facts["members"][part]["first"] == members[:3]
        assert converted.names(part) == [f"{cut.split} {key}" for key in members]
        pixels = [splits[cut.split][key][1] for key in keys]
        if entry.native and pixels[0] is not None:
            assert np.array_equal(images, pixels)
    assert converted.image_size == ((224, 224, 3) if not entry.native or max(entry.native) > 224 else entry.native)
    assert facts["licence"]
    assert facts["group"] == entry.group


def assert_caltech(converted, facts, rows):
    draws = np.random.RandomState(1234)
    train = []
    for folder in sorted({key.split("/")[0] for key in rows}):
        names = sorted(key.split("/")[1] for key in rows if key.startswith(f"{folder}/"))
        train += [f"{folder}/{name}" for name in draws.choice(names, 30, replace=False)]
    keys = by_md5("train", train)
    assert converted.counts == {"train": 24, "val": 5, "test": len(rows) - 90}
    assert converted.part("train")[1].tolist() == [rows[key][0] for key in keys[:24]]
    assert facts["members"]["val"]["first"] == keys[81:84]


@pytest.mark.parametrize("name", ["clevr_count", "kitti"])
def test_larger_pictures_are_resized_once_from_the_original(name, raw, tmp_path):
    from PIL import Image

    data_dir, made = raw
    original = {}
    for split in expected_splits(name, made[TASKS[name].data_set]).values():
        original |= {key: image for key, (_, image) in split.items()}
    for how in ("bicubic", "legacy_bilinear"):
        convert_task(name, spec(name, data_dir, resize=how), tmp_path / how, progress=False)
        key = read_facts(tmp_path / how)["members"]["train"]["first"][0]
        image = check_content(tmp_path / how).part("train")[0][0]
        if how == "bicubic":
            assert np.array_equal(image, Image.fromarray(original[key]).resize((224, 224), Image.Resampling.BICUBIC))
        else:  # output 112 looks at input row 112 * 320 / 224 = 160, column 112 * 480 / 224 = 240 exactly
            height, width = original[key].shape[:2]
            if height * 112 % 224 == 0 and width * 112 % 224 == 0:
                assert np.array_equal(image[112, 112], original[key][height // 2, width // 2])


def test_unpacked_folders_and_other_forms_give_the_same_content(raw, tmp_path):
    import gzip
    import tarfile
    import zipfile

    data_dir, _ = raw
    same = {}
    for name in (
        "eurosat",
        "dtd",
        "oxford_iiit_pet",
        "kitti",
        "smallnorb_azi",
        "patch_camelyon",
        "dmlab",
        "clevr_dist",
    ):
        convert_task(name, spec(name, data_dir), tmp_path / "packed" / name, progress=False)
        same[name] = check_content(tmp_path / "packed" / name).sha256
    other = tmp_path / "other"
    shutil.copytree(data_dir, other)
    for path in sorted(other.rglob("*")):
        if path.suffix == ".zip" and path.parent.name != "caltech101":
            with zipfile.ZipFile(path) as archive:
                archive.extractall(path.parent)
        elif path.name.endswith((".tar.gz", ".tgz")):
            inside = path.parent / "dmlab" if path.parent.name == "dmlab" else path.parent
            with tarfile.open(path) as archive:
                archive.extractall(inside, filter="data")
        elif path.suffix == ".gz":
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        else:
            continue
        path.unlink()
    for name, digest in same.items():
        convert_task(name, spec(name, other), tmp_path / "unpacked" / name, progress=False)
        assert check_content(tmp_path / "unpacked" / name).sha256 == digest


def test_cifar_pickles_and_dsprites_npz_give_the_same_content(raw, tmp_path):
    import io
    import pickle
    import tarfile

    import h5py

    data_dir, made = raw
    for name in ("cifar100", "dsprites_ori"):
        convert_task(name, spec(name, data_dir), tmp_path / "first" / name, progress=False)
    other = tmp_path / "other"
    (other / "cifar100").mkdir(parents=True)
    (other / "dsprites").mkdir()
    shutil.copy(data_dir / "scaled_down.json", other)
    with tarfile.open(other / "cifar100" / "cifar-100-python.tar.gz", "w:gz") as archive:
        content = {"meta": {"fine_label_names": [f"class{i:02d}" for i in range(100)]}}
        for split, rows in made["cifar100"].items():
            planes = np.stack([image.transpose(2, 0, 1).ravel() for _, image in rows.values()])
            content[split] = {"data": planes, "fine_labels": [label for label, _ in rows.values()]}
        for member, value in content.items():
            data = pickle.dumps(value, protocol=2)
            entry = tarfile.TarInfo(f"cifar-100-python/{member}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    stem = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64"
    with h5py.File(data_dir / "dsprites" / f"{stem}.hdf5") as file:
        latents = file["latents/classes"][:]
        np.savez_compressed(other / "dsprites" / f"{stem}.npz", imgs=file["imgs"][:], latents_classes=latents)
    for name in ("cifar100", "dsprites_ori"):
        convert_task(name, spec(name, other), tmp_path / "second" / name, progress=False)
        assert check_content(tmp_path / "first" / name).sha256 == check_content(tmp_path / "second" / name).sha256


def test_two_tasks_of_one_data_set_share_images_but_not_labels(raw, tmp_path):
    tasks = []
    for name in ("dsprites_loc", "dsprites_ori"):
        convert_task(name, spec(name, raw[0]), tmp_path / name, progress=False)
        tasks.append(check_content(tmp_path / name))
    assert np.array_equal(tasks[0].part("test")[0], tasks[1].part("test")[0])
    assert not np.array_equal(tasks[0].part("test")[1], tasks[1].part("test")[1])
    assert set(np.unique(tasks[0].part("test")[0])) == {0, 255}


@pytest.mark.parametrize("name", ["cifar100", "dtd", "smallnorb_ele"])
def test_export_and_import_keep_every_pixel_and_label(name, raw, tmp_path):
    convert_task(name, spec(name, raw[0]), tmp_path / "out", progress=False)
    export_task(tmp_path / "out", tmp_path / "lists", workers=2, progress=False)
    task = check_content(tmp_path / "out")
    back = ImageListTask(source="image_list", path=str(tmp_path / "lists"))
    convert_task(name, back, tmp_path / "back", progress=False)
    again = check_content(tmp_path / "back")
    if task.image_size[2] == 3:
        assert again.sha256 == task.sha256
    for part in ("train", "val", "test"):
        assert np.array_equal(again.part(part)[0], np.broadcast_to(task.part(part)[0], again.part(part)[0].shape))
        assert np.array_equal(again.part(part)[1], task.part(part)[1])
    assert again.classes == task.classes
    assert {path.name for path in (tmp_path / "lists").iterdir()} == {
        "images", "classes.txt", "train.txt", "val.txt", "test.txt", "trainval.txt",
    }  # fmt: skip
    with pytest.raises(UserError, match="lists exists and is not an empty folder"):
        export_task(tmp_path / "out", tmp_path / "lists", progress=False)


def test_export_of_800_and_200_has_the_communitys_names(tmp_path):
    from subtuning.config.tasks import BuiltinTask

    convert_task("digits", BuiltinTask(source="builtin"), tmp_path / "out", progress=False)
    export_task(tmp_path / "out", tmp_path / "lists", progress=False)
    names = {path.stem: path.read_text().splitlines() for path in (tmp_path / "lists").glob("*.txt")}
    assert {name: len(lines) for name, lines in names.items() if name != "classes"} == {
        "train800": 800, "val200": 200, "test": 797, "train800val200": 1000,
    }  # fmt: skip
    assert names["train800val200"] == names["train800"] + names["val200"]
    label = check_content(tmp_path / "out").part("val")[1][7]
    assert names["val200"][7] == f"images/val200/000007.png {label}"


def test_verify_knows_the_digits_and_finds_every_difference(tmp_path):
    from subtuning.config.tasks import BuiltinTask

    convert_task("digits", BuiltinTask(source="builtin"), tmp_path / "out", progress=False)
    checks = verify_task(tmp_path / "out")
    assert [check.part for check in checks] == ["train", "val", "test", "content"]
    assert all(check.good for check in checks)
    assert "pixels right" in checks[3].text
    facts = json.loads((tmp_path / "out" / "task.json").read_text())
    labels_file = tmp_path / "out" / "val" / "labels.npy"
    targets = np.load(labels_file)
    targets[targets == 3] = 4
    np.save(labels_file, targets)
    facts["label_counts"]["val"] = np.bincount(targets, minlength=10).tolist()
    (tmp_path / "out" / "task.json").write_text(json.dumps(facts))
    checks = verify_task(tmp_path / "out")
    assert [check.good for check in checks] == [True, False, True, False]
    assert "label histogram differ" in checks[1].text


def test_verify_compares_official_members(raw, tmp_path):
    convert_task("cifar100", spec("cifar100", raw[0]), tmp_path / "out", progress=False)
    with pytest.raises(UserError, match="made from scaled-down test data; convert the real cifar100"):
        verify_task(tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "task.json").read_text())
    del facts["scaled_down"]
    (tmp_path / "out" / "task.json").write_text(json.dumps(facts))
    checks = verify_task(tmp_path / "out")
    assert not any(check.good for check in checks[:3])
    assert checks[0].text == "24 images instead of 800, members differ, label histogram unknown"


def test_verify_refuses_a_users_own_task(raw, tmp_path):
    from tests.tasks.pictures import list_folder

    own = ImageListTask(source="image_list", path=str(list_folder(tmp_path / "in")))
    convert_task("mine", own, tmp_path / "out", progress=False)
    with pytest.raises(UserError, match="a task of your own, which no manifest can know"):
        verify_task(tmp_path / "out")
