"""CLEVR and KITTI: images in zips, labels computed from what is known about the objects in them."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from subtuning.errors import UserError
from subtuning.tasks.vtab.files import damaged, members, text_of, unpublished
from subtuning.tasks.vtab.labels import KITTI_DISTANCES, kitti_distance
from subtuning.tasks.vtab.raw import Raw, raw_of_files

KITTI_SEED, KITTI_PERCENT = 123, 10
"""Seed of the draw of test and validation videos, and their share, as in TensorFlow Datasets' kitti builder."""


def clevr(label_of: Callable[[list[dict]], int], classes: tuple[str, ...]):
    """A reader of CLEVR v1.0: `images/{train,val}/*.png`, `scenes/CLEVR_{train,val}_scenes.json`; key = file name."""

    def open_raw(files: dict[str, Path], scaled: bool) -> Raw:
        path = files["CLEVR_v1.0.zip"]
        folder = "CLEVR_v1.0/images"
        names = {"train": "train", "validation": "val"}
        images = {part: [] for part in names.values()}
        for member in members(path):
            parts = PurePosixPath(member.name).parts
            if len(parts) == 4 and member.name.startswith(folder) and parts[2] in images and parts[3].endswith(".png"):
                images[parts[2]].append(parts[3])
        splits = {}
        for split, part in names.items():
            labels = dict(_clevr_scenes(path, part, label_of))
            if set(labels) != set(images[part]):
                raise unpublished(path, f"holds {part} scenes and images that do not belong together")
            splits[split] = [(name, f"{folder}/{part}/{name}", labels[name]) for name in sorted(labels)]
        return raw_of_files(path, splits, classes)

    return open_raw


def _clevr_scenes(path: Path, part: str, label_of: Callable[[list[dict]], int]) -> Iterator[tuple[str, int]]:
    """(image name, label) of each scene, one scene at a time: the whole file would fill gigabytes as Python objects."""
    name = f"CLEVR_v1.0/scenes/CLEVR_{part}_scenes.json"
    (text,) = text_of(path, name)
    decoder, start = json.JSONDecoder(), text.find("[", text.find('"scenes"')) + 1
    try:
        while start and text[start : start + 1] != "]":
            scene, start = decoder.raw_decode(text, start)
            yield scene["image_filename"], label_of(scene["objects"])
            while text[start : start + 1] in (",", " ", "\n"):
                start += 1
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(f"{path}: {name} is not the published list of scenes ({str(error)[:60]})") from None


def kitti(files: dict[str, Path], scaled: bool) -> Raw:
    """KITTI objects: only the 7,481 labelled images, split by the video they come from; key `000001.png`."""
    path = files["data_object_label_2.zip"]
    labels = {}
    for member in members(path):
        if PurePosixPath(member.name).match("training/label_2/*.txt"):
            with damaged(path):
                labels[PurePosixPath(member.name).stem] = _kitti_label(member.read(), member.name, path)
    videos = _kitti_videos(files["devkit_object.zip"])
    splits = {}
    for split, numbers in kitti_split(videos).items():
        names = [f"{number:06d}" for number in numbers]
        missing = [name for name in names if name not in labels]
        if missing:
            raise UserError(f"{path} lacks {len(missing)} label files, e.g. training/label_2/{missing[0]}.txt")
        splits[split] = [(f"{name}.png", f"training/image_2/{name}.png", labels[name]) for name in names]
    return raw_of_files(files["data_object_image_2.zip"], splits, KITTI_DISTANCES)


def _kitti_label(data: bytes, name: str, path: Path) -> int:
    try:
        return kitti_distance(data.decode("ascii"))
    except (ValueError, IndexError):
        raise UserError(f"{path}: {name} is not a KITTI label file") from None


def _kitti_videos(path: Path) -> list[str]:
    """The video of each labelled image, from the development kit: numbers (from 1) of lines `date video frame`."""
    ids, lines = text_of(path, "mapping/train_rand.txt", "mapping/train_mapping.txt")
    try:
        rows = lines.splitlines()
        return [rows[int(number) - 1].split(" ")[1] for number in ids.split(",")]
    except (ValueError, IndexError):
        raise UserError(f"{path}: its mapping/ files are not the published ones") from None


def kitti_split(videos: list[str]) -> dict[str, list[int]]:
    """Image numbers a split, such that no video is in two; the draw of TensorFlow Datasets' kitti builder."""
    images = defaultdict(list)
    for number, video in enumerate(videos):
        images[video].append(number)
    generator = np.random.RandomState(KITTI_SEED)
    count = max(1, KITTI_PERCENT * len(images) // 100)
    test = set(generator.choice(sorted(images), count, replace=False))
    validation = set(generator.choice(sorted(set(images) - test), count, replace=False))
    chosen = {"train": set(images) - test - validation, "validation": validation, "test": test}
    return {
        split: [number for video, numbers in images.items() if video in own for number in numbers]
        for split, own in chosen.items()
    }
