"""Archives that are missing, damaged, hostile or not the published ones: one sentence each, and nothing left behind."""

import gzip
import io
import json
import pickle
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from subtuning.config.tasks import VtabTask
from subtuning.errors import UserError
from subtuning.tasks import convert_task
from subtuning.tasks.vtab.files import Archive, find, sha256
from tests.tasks import synthetic
from tests.tasks.tfrecord import example, record

pytestmark = pytest.mark.slow


def cut(path, share=0.6):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def tar_files(path):
    with tarfile.open(path) as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive if entry.isfile()}


def retar(path, change):
    files = tar_files(path)
    change(files)
    synthetic.write_tar(path, files)


def rezip(path, change):
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    synthetic.write_zip(path, files)


def add_link(path, name, target):
    files = tar_files(path)
    files.pop(name)
    with tarfile.open(path, "w:gz") as archive:
        for member, data in files.items():
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        link = tarfile.TarInfo(name)
        link.type, link.linkname = tarfile.SYMTYPE, target
        archive.addfile(link)


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("hacked"),)


def evil_pickle(folder):
    (folder / "cifar-100-binary.tar.gz").unlink()
    content = {f"cifar-100-python/{name}": pickle.dumps(Evil()) for name in ("meta", "train", "test")}
    synthetic.write_tar(folder / "cifar-100-python.tar.gz", content)


def h5(folder, name, **arrays):
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for key, value in arrays.items():
            file[key] = value
    (folder / name).write_bytes(gzip.compress(buffer.getvalue()) if name.endswith(".gz") else buffer.getvalue())


def objects_npz(folder):
    (folder / DSPRITES).unlink()
    np.savez(folder / DSPRITES.replace("hdf5", "npz"), latents_classes=np.array([{}]))


def drop(files, word):
    for name in [name for name in files if word in name]:
        del files[name]


def first(files, start):
    return next(name for name in files if name.startswith(start))


PCAM = "camelyonpatch_level_2_split_{}.h5.gz"
VAL_SCENES = "CLEVR_v1.0/scenes/CLEVR_val_scenes.json"
NO_LABEL = record(example({"image": b"x"}))
DSPRITES = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5"
NORB = "smallnorb-5x46789x9x18x6x2x96x96-training-{}.mat.gz"
CASES = {
    # missing
    "nothing there": ("dtd", shutil.rmtree, r"dtd/dtd-r1\.0\.1\.tar\.gz is missing; fetch it, or put the published"),
    "one of two": ("svhn", lambda f: (f / "test_32x32.mat").unlink(), r"svhn/test_32x32\.mat is missing"),
    "by hand": ("resisc45", shutil.rmtree, r"resisc45 lacks NWPU-RESISC45, .* by hand: 1\. get .*2\. .*3\. move"),
    "by hand, two": (
        "diabetic_retinopathy",
        lambda f: (shutil.rmtree(f / "test"), (f / "trainLabels.csv").unlink()),
        r"lacks trainLabels\.csv, test, which must be fetched by hand: 1\. accept",
    ),
    # damaged
    "cut tar.gz": ("cifar100", lambda f: cut(f / "cifar-100-binary.tar.gz"), "truncated or damaged .*fetch it again"),
    "cut plain tar": ("dtd", lambda f: cut(f / "dtd-r1.0.1.tar.gz"), r"dtd-r1\.0\.1\.tar\.gz (is truncated|lacks)"),
    "cut zip": ("eurosat", lambda f: cut(f / "EuroSAT.zip"), "is truncated or damaged"),
    "cut big zip": ("clevr_count", lambda f: cut(f / "CLEVR_v1.0.zip"), "is truncated or damaged"),
    "cut inner tar": (
        "caltech101",
        lambda f: rezip(f / "caltech-101.zip", lambda z: z.update({first(z, "c"): z[first(z, "c")][:3000]})),
        r"caltech-101\.zip is truncated or damaged",
    ),
    "cut mat": ("svhn", lambda f: cut(f / "train_32x32.mat"), r"train_32x32\.mat cannot be read"),
    "cut setid": ("oxford_flowers102", lambda f: cut(f / "setid.mat", 0.3), r"setid\.mat or imagelabels.*damaged"),
    "cut h5.gz": (
        "patch_camelyon",
        lambda f: cut(f / "camelyonpatch_level_2_split_train_x.h5.gz"),
        r"split_train_x\.h5\.gz is truncated or damaged",
    ),
    "cut hdf5": ("dsprites_loc", lambda f: cut(f / DSPRITES), "cannot be opened as HDF5"),
    "cut norb": ("smallnorb_azi", lambda f: cut(f / NORB.format("dat")), r"dat\.mat\.gz is truncated or damaged"),
    "short norb": (
        "smallnorb_ele",
        lambda f: (f / NORB.format("dat")).write_bytes(
            gzip.compress(gzip.decompress((f / NORB.format("dat")).read_bytes())[:9000])
        ),
        "truncated or damaged .the file ends early",
    ),
    "cut record": (
        "dmlab",
        lambda f: retar(f / "dmlab.tar.gz", lambda t: t.update({k: v[:-9] for k, v in t.items() if "test" in k})),
        "truncated or damaged .a TFRecord ends early",
    ),
    "flipped bit": ("eurosat", lambda f: flip(f / "EuroSAT.zip", 2000), "truncated or damaged .Bad CRC"),
    "text instead of zip": ("kitti", lambda f: (f / "devkit_object.zip").write_text("<html>"), "truncated or damaged"),
    "text instead of tar": ("dmlab", lambda f: (f / "dmlab.tar.gz").write_text("<html>"), "truncated or damaged"),
    "broken picture": (
        "oxford_iiit_pet",
        lambda f: retar(f / "images.tar.gz", lambda t: t.update({k: v[:400] for k, v in list(t.items())[:40]})),
        r"images cannot be used; .*\.jpg \(",
    ),
    # not what was published
    "missing member": (
        "dtd",
        lambda f: retar(f / "dtd-r1.0.1.tar.gz", lambda t: drop(t, "_test_")),
        r"lacks 9 of 38 files: dtd/images/",
    ),
    "missing list": ("dtd", lambda f: retar(f / "dtd-r1.0.1.tar.gz", lambda t: drop(t, "val1.txt")), "lacks 1 of 3"),
    "missing picture": (
        "diabetic_retinopathy",
        lambda f: (f / "test" / "200_left.jpeg").unlink(),
        r"1 image cannot be used; .*200_left \(missing\)",
    ),
    "missing label": (
        "kitti",
        lambda f: rezip(f / "data_object_label_2.zip", lambda z: z.pop("training/label_2/000007.txt")),
        r"lacks 1 label files, e\.g\. training/label_2/000007\.txt",
    ),
    "bad label": (
        "kitti",
        lambda f: rezip(f / "data_object_label_2.zip", lambda z: z.update({"training/label_2/000007.txt": b"Car 1 2"})),
        r"000007\.txt is not a KITTI label file",
    ),
    "bad devkit": (
        "kitti",
        lambda f: rezip(f / "devkit_object.zip", lambda z: z.update({"mapping/train_rand.txt": b"1,999"})),
        "mapping/ files are not the published ones",
    ),
    "scene missing": (
        "clevr_dist",
        lambda f: rezip(f / "CLEVR_v1.0.zip", lambda z: z.pop("CLEVR_v1.0/images/val/CLEVR_val_000003.png")),
        "val scenes and images do not belong together",
    ),
    "scenes not JSON": (
        "clevr_dist",
        lambda f: rezip(f / "CLEVR_v1.0.zip", lambda z: z.update({VAL_SCENES: b'{"scenes": [{'})),
        r"CLEVR_val_scenes\.json is not the published list",
    ),
    "extra file": (
        "eurosat",
        lambda f: rezip(f / "EuroSAT.zip", lambda z: z.update({"2750/River/readme.txt": b"x"})),
        r"unexpected file 2750/River/readme\.txt",
    ),
    "unknown class": (
        "eurosat",
        lambda f: rezip(f / "EuroSAT.zip", lambda z: z.update({"2750/Lake/Lake_1.jpg": b"x"})),
        "unknown class 'Lake'",
    ),
    "other size": (
        "eurosat",
        lambda f: rezip(f / "EuroSAT.zip", lambda z: z.update({k: jpeg(64, 65) for k in list(z)[:30]})),
        r"images cannot be used; .*64 x 65 x 3 instead of 64 x 64 x 3",
    ),
    "odd cifar": (
        "cifar100",
        lambda f: retar(f / "cifar-100-binary.tar.gz", lambda t: t.update({"cifar-100-binary/test.bin": b"x" * 999})),
        r"test\.bin of 999 bytes, which is no multiple",
    ),
    "svhn label 11": ("svhn", lambda f: mat(f / "test_32x32.mat", 11), "is not the published file"),
    "pets list": (
        "oxford_iiit_pet",
        lambda f: retar(f / "annotations.tar.gz", lambda t: t.update({"annotations/test.txt": b"a b\n"})),
        "lists must hold lines 'name label species breed'",
    ),
    "pets binary list": (
        "oxford_iiit_pet",
        lambda f: retar(f / "annotations.tar.gz", lambda t: t.update({"annotations/test.txt": b"\xff\xfe"})),
        "is not text",
    ),
    "label out of range": (
        "oxford_iiit_pet",
        lambda f: retar(f / "annotations.tar.gz", lambda t: t.update(
            {"annotations/trainval.txt": t["annotations/trainval.txt"].replace(b" 1 1 1\n", b" 99 1 1\n")}
        )),
        "labels outside 0 to 36: 98",
    ),
    "csv without level": (
        "diabetic_retinopathy",
        lambda f: (f / "trainLabels.csv").write_text("image,grade\n1_left,0\n"),
        r"trainLabels\.csv must be a table with the columns image, level",
    ),
    "h5 without y": ("patch_camelyon", lambda f: h5(f, PCAM.format("test_y"), z=[1]), "lacks the array y"),
    "h5 shape": (
        "patch_camelyon",
        lambda f: h5(f, PCAM.format("test_x"), x=np.zeros((9, 8, 8, 3), np.uint8)),
        r"holds uint8 \(9, 8, 8, 3\) images for 9 labels",
    ),
    "norb magic": (
        "smallnorb_azi",
        lambda f: (f / NORB.format("info")).write_bytes(gzip.compress(b"\1" * 40)),
        "does not begin as a smallNORB matrix",
    ),
    "not an example": (
        "dmlab",
        lambda f: retar(f / "dmlab.tar.gz", lambda t: t.update({first(t, "dmlab-train"): record(b"\x0a\x05hello")})),
        "does not hold DMLab's examples",
    ),
    "example without label": (
        "dmlab",
        lambda f: retar(f / "dmlab.tar.gz", lambda t: t.update({first(t, "dmlab-train"): NO_LABEL})),
        "does not hold DMLab's examples",
    ),
    # hostile
    "tar with ..": (
        "oxford_flowers102",
        lambda f: synthetic.write_tar(f / "102flowers.tgz", {"../evil.jpg": b"x"} | tar_files(f / "102flowers.tgz")),
        r"102flowers\.tgz has a member outside its own folder \(\.\./evil\.jpg\)",
    ),
    "records with ..": (
        "dmlab",
        lambda f: synthetic.write_tar(f / "dmlab.tar.gz", {"a/../../evil": b"x"} | tar_files(f / "dmlab.tar.gz")),
        r"a member outside its own folder \(a/\.\./\.\./evil\)",
    ),
    "absolute zip": (
        "eurosat",
        lambda f: rezip(f / "EuroSAT.zip", lambda z: z.update({"/etc/evil.jpg": b"x"})),
        r"outside its own folder \(/etc/evil\.jpg\)",
    ),
    "link in tar": (
        "cifar100",
        lambda f: add_link(f / "cifar-100-binary.tar.gz", "cifar-100-binary/test.bin", "../../secret"),
        r"a link instead of the file cifar-100-binary/test\.bin",
    ),
    "pickle that runs code": ("cifar100", evil_pickle, r"unreadable cifar-100-python/meta \(.*touch is not allowed\)"),
    "npz with objects": (
        "dsprites_loc",
        objects_npz,
        "has no array latents_classes",
    ),
}  # fmt: skip


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)


def jpeg(height, width):
    return synthetic.encoded(synthetic.picture("other", height, width))


def mat(path, digit):
    from scipy.io import savemat

    savemat(path, {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[1], [digit]])})


@pytest.mark.parametrize("case", CASES)
def test_wrong_archives_give_one_sentence_and_leave_nothing(case, vtab_raw, tmp_path, monkeypatch):
    raw = vtab_raw[0]
    name, change, sentence = CASES[case]
    from subtuning.tasks.vtab.registry import TASKS

    data_set = TASKS[name].data_set
    (tmp_path / "data").mkdir()
    shutil.copy(raw / "scaled_down.json", tmp_path / "data")
    shutil.copytree(raw / data_set, tmp_path / "data" / data_set)
    change(tmp_path / "data" / data_set)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    spec = VtabTask(source="vtab", name=name, data_dir=str(tmp_path / "data"))
    with pytest.raises(UserError) as caught:
        convert_task(name, spec, tmp_path / "out", workers=2, progress=False)
    assert re.search(sentence, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_real_archives_must_have_the_published_size_and_count(vtab_raw, tmp_path):
    raw = vtab_raw[0]
    spec = VtabTask(source="vtab", name="cifar100", data_dir=str(tmp_path))
    shutil.copytree(raw / "cifar100", tmp_path / "cifar100")
    with pytest.raises(UserError, match=r"bytes, the published file 168,513,733: it is truncated; remove it and fetch"):
        convert_task("cifar100", spec, tmp_path / "out", progress=False)
    shutil.copytree(raw / "resisc45", tmp_path / "resisc45")  # nobody published a checksum, but the count is known
    spec = VtabTask(source="vtab", name="resisc45", data_dir=str(tmp_path))
    with pytest.raises(
        UserError, match="resisc45 does not hold the published examples: train has 70 instead of 31,500"
    ):
        convert_task("resisc45", spec, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_checksums_are_compared_once_until_the_file_changes(tmp_path, monkeypatch):
    path = tmp_path / "x.zip"
    path.write_bytes(b"content")
    archive = Archive("x.zip", 7, sha256(path), ())
    hashed = []
    monkeypatch.setattr("subtuning.tasks.vtab.files.sha256", lambda file: hashed.append(file) or sha256(file))
    assert find(tmp_path, archive) == find(tmp_path, archive) == path
    assert len(hashed) == 1
    path.write_bytes(b"CONTENT")
    with pytest.raises(UserError, match=r"x\.zip is not the published file \(SHA-256 differs\)"):
        find(tmp_path, archive)
    assert len(hashed) == 2
    (tmp_path / ".verified.json").write_text("broken")
    path.write_bytes(b"content")
    assert find(tmp_path, archive) == path
    assert json.loads((tmp_path / ".verified.json").read_text())["x.zip"][0] == 7
    path.write_bytes(b"content and more")
    with pytest.raises(UserError, match="it is another file"):
        find(tmp_path, archive)


@pytest.mark.parametrize("packed", [True, False])
def test_examples_are_parsed_whether_integers_are_packed_or_not(packed):
    from subtuning.tasks.vtab.dmlab import parse_example

    features = {"filename": b"a.jpg", "label": 5, "image": b"\xff" * 300}
    assert parse_example(example(features, packed)) == features
    for message in (b"\x0a", b"\x0a\x7f", b"\xff" * 12, example(features)[:-2]):
        with pytest.raises((ValueError, KeyError)):
            parse_example(message)
