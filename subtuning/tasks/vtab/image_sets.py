"""Data sets published as archives of images: Caltech-101, DTD, Flowers, Pets, SUN397, EuroSAT, RESISC45."""

import io
import json
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np

from subtuning.errors import UserError, listed
from subtuning.tasks.vtab.files import Member, damaged, members, pick, tar_members, text_of
from subtuning.tasks.vtab.raw import Raw, raw_of_files

_HERE = Path(__file__).parent
CALTECH_SEED, CALTECH_TRAIN = 1234, 30
"""Images a class for training, and the seed, as in TensorFlow Datasets' caltech101 builder."""


@cache
def class_names(data_set: str) -> tuple[str, ...]:
    """Class names in label order, as TensorFlow Datasets has them."""
    return tuple(json.loads((_HERE / "classes.json").read_text(encoding="utf-8"))[data_set])


def label_of(name: str, classes: tuple[str, ...], path: Path) -> int:
    """The label of class `name`, or a `UserError` if the data set has no such class."""
    try:
        return classes.index(name)
    except ValueError:
        raise UserError(f"{path} has the unknown class {name!r}; it is not the published archive") from None


def dtd(files: dict[str, Path], scaled: bool) -> Raw:
    """Describable Textures, first of its ten partitions (`labels/train1.txt` ...); key `<class>/<file>.jpg`."""
    path, classes = files["dtd-r1.0.1.tar.gz"], class_names("dtd")
    names = {"train": "train1", "validation": "val1", "test": "test1"}
    texts = text_of(path, *(f"dtd/labels/{name}.txt" for name in names.values()))
    splits = {
        split: [
            (key, f"dtd/images/{key}", label_of(key.split("/")[0], classes, path))
            for key in map(str.strip, text.split())
        ]
        for split, text in zip(names, texts, strict=True)
    }
    return raw_of_files(path, splits, classes)


def flowers(files: dict[str, Path], scaled: bool) -> Raw:
    """Oxford Flowers 102: ids in `setid.mat`, labels from 1 in `imagelabels.mat`; key `image_00001.jpg`."""
    from scipy.io import loadmat

    try:
        labels = loadmat(files["imagelabels.mat"])["labels"][0].astype(np.int64) - 1
        ids = loadmat(files["setid.mat"])
        parts = {"train": ids["trnid"][0], "validation": ids["valid"][0], "test": ids["tstid"][0]}
        splits = {
            split: [(f"image_{i:05d}.jpg", f"jpg/image_{i:05d}.jpg", int(labels[i - 1])) for i in numbers]
            for split, numbers in parts.items()
        }
    except (ValueError, KeyError, IndexError, TypeError, OSError) as error:
        raise UserError(f"{files['setid.mat']} or imagelabels.mat beside it is damaged; fetch them again") from error
    return raw_of_files(files["102flowers.tgz"], splits, class_names("oxford_flowers102"))


def pets(files: dict[str, Path], scaled: bool) -> Raw:
    """Oxford-IIIT Pets: lists of `name label species breed`, labels from 1; key `<name>.jpg`."""
    path = files["annotations.tar.gz"]
    texts = text_of(path, "annotations/trainval.txt", "annotations/test.txt")
    try:
        splits = {
            split: [
                (f"{name}.jpg", f"images/{name}.jpg", int(label) - 1)
                for name, label, _, _ in (line.split() for line in text.splitlines() if line.strip())
            ]
            for split, text in zip(("train", "test"), texts, strict=True)
        }
    except ValueError:
        raise UserError(f"{path}: its lists must hold lines 'name label species breed'") from None
    return raw_of_files(files["images.tar.gz"], splits, class_names("oxford_iiit_pet"))


def sun397_lists() -> dict[str, list[str]]:
    """The keys `/a/abbey/sun_x.jpg` of train[:800], validation[:200] and test of TensorFlow Datasets' `sun397/tfds`."""
    splits: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for line in (_HERE / "sun397.txt").read_text(encoding="ascii").splitlines():
        split, label, *names = line.split()
        splits[split] += [f"/{label}/sun_{name}.jpg" for name in names]
    return splits


def sun397(files: dict[str, Path], scaled: bool) -> Raw:
    """SUN397; the split is TensorFlow Datasets' own, so the lists of what VTAB needs are part of this package."""
    path, classes = files["SUN397.tar.gz"], class_names("sun397")
    label = {name: i for i, name in enumerate(classes)}
    there = {member.name for member in members(path)} if scaled else None
    splits = {
        split: [
            (key, f"SUN397{key}", label[str(PurePosixPath(key).parent)[1:]])
            for key in keys
            if there is None or f"SUN397{key}" in there
        ]
        for split, keys in sun397_lists().items()
    }
    return raw_of_files(path, splits, classes)


def eurosat(files: dict[str, Path], scaled: bool) -> Raw:
    """EuroSAT RGB: `2750/<class>/<class>_<n>.jpg`; one split; key `<class>_<file name>`."""
    return _class_folders(files["EuroSAT.zip"], class_names("eurosat"))


def resisc45(files: dict[str, Path], scaled: bool) -> Raw:
    """NWPU-RESISC45, unpacked by hand: `NWPU-RESISC45/<class>/<class>_<nnn>.jpg`; one split; key as for EuroSAT."""
    return _class_folders(files["NWPU-RESISC45"], class_names("resisc45"))


def _class_folders(path: Path, classes: tuple[str, ...]) -> Raw:
    rows = []
    for member in members(path):
        parts = PurePosixPath(member.name).parts
        if len(parts) != 3 or parts[2].startswith("."):
            continue
        if not parts[2].endswith(".jpg"):
            raise UserError(f"{path} holds the unexpected file {member.name}; it is not the published data set")
        rows.append((f"{parts[1]}_{parts[2]}", member.name, label_of(parts[1], classes, path)))
    return raw_of_files(path, {"train": rows}, classes)


def caltech101(files: dict[str, Path], scaled: bool) -> Raw:
    """Caltech-101 with a draw of our own: the official one depends on the order of a file system's directories.

    It is what TensorFlow Datasets would draw if names were sorted and there were only `.jpg` files: 30 images of each
    class folder by `RandomState(1234).choice`, folders and files in sorted order. Key `<folder>/<file>`.
    """
    path, classes = files["caltech-101.zip"], class_names("caltech101")
    names: dict[str, list[str]] = {}
    for member in _caltech_members(path):
        parts = PurePosixPath(member.name).parts
        if len(parts) == 3 and parts[2].endswith(".jpg") and not parts[2].startswith("."):
            names.setdefault(parts[1], []).append(parts[2])
    few = [f"{folder} ({len(found)})" for folder, found in names.items() if len(found) <= CALTECH_TRAIN]
    if few and not scaled:
        raise UserError(f"{path} has classes with no more than {CALTECH_TRAIN} images: {listed(few)}")
    generator = np.random.RandomState(CALTECH_SEED)
    splits: dict[str, list[tuple[str, str, int]]] = {"train": [], "test": []}
    for folder in sorted(names):
        label, found = label_of(folder.lower(), classes, path), sorted(names[folder])
        drawn = set(generator.choice(found, min(CALTECH_TRAIN, len(found)), replace=False))
        for name in found:
            place = (f"{folder}/{name}", f"101_ObjectCategories/{folder}/{name}", label)
            splits["train" if name in drawn else "test"].append(place)
    return raw_of_files(path, splits, classes, _caltech_members)


def _caltech_members(path: Path) -> Iterator[Member]:
    """The images, which lie in a `.tar.gz` inside the published `.zip`."""
    if path.suffix != ".zip":
        yield from members(path)
        return
    inner = "caltech-101/101_ObjectCategories.tar.gz"
    for member in pick(path, {inner}):
        with damaged(path), tarfile.open(fileobj=io.BytesIO(member.read()), mode="r|gz") as archive:
            yield from tar_members(archive, path)
