"""Made-up raw files of all 16 data sets behind VTAB-1k, in the layouts of the published ones.

`make(data_dir)` writes `data_dir/<data set>/...` and the marker that tells the converter that these are scaled down.
Each maker returns what it wrote, {split: {key: (label or None, image or None)}}, images only where files are lossless.
`python -m tests.tasks.synthetic FOLDER` makes them by hand.
"""

import csv
import gzip
import hashlib
import io
import json
import struct
import sys
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from subtuning.tasks.vtab.image_sets import class_names, sun397_lists
from tests.tasks.tfrecord import example, record

TRAIN, VAL = 24, 5


def picture(name: str, height: int, width: int, channels: int = 3) -> np.ndarray:
    """A smooth image (uint8 H x W x C) that differs for every name and compresses well."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    small = np.random.default_rng(seed).integers(0, 256, (3, 4, channels), np.uint8)
    image = Image.fromarray(small[..., 0] if channels == 1 else small).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image).reshape(height, width, channels)


def encoded(image: np.ndarray, kind: str = "JPEG", **options) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    Image.fromarray(image.squeeze()).save(buffer, kind, **options)
    return buffer.getvalue()


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w:gz") -> None:
    """A tar of these members, in this order."""
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    """A zip of these members, in this order."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def cifar100(folder: Path) -> dict:
    names = [f"class{i:02d}" for i in range(100)]
    files, made = {"cifar-100-binary/fine_label_names.txt": "\n".join([*names, ""]).encode()}, {}
    files["cifar-100-binary/coarse_label_names.txt"] = "\n".join(f"group{i}" for i in range(20)).encode()
    for split, count in (("train", 60), ("test", 12)):
        images = [picture(f"cifar {split} {i}", 32, 32) for i in range(count)]
        labels = [7 * (i % 10) for i in range(count)]
        rows = [
            bytes([label // 5, label]) + image.transpose(2, 0, 1).tobytes()
            for image, label in zip(images, labels, strict=True)
        ]
        files[f"cifar-100-binary/{split}.bin"] = b"".join(rows)
        made[split] = dict(enumerate(zip(labels, images, strict=True)))
    write_tar(folder / "cifar-100-binary.tar.gz", files)
    return made


def svhn(folder: Path) -> dict:
    from scipy.io import savemat

    made = {}
    for split, count in (("train", 60), ("test", 12), ("extra", 2)):
        images = np.stack([picture(f"svhn {split} {i}", 32, 32) for i in range(count)])
        digits = np.arange(count) % 10 + 1
        savemat(folder / f"{split}_32x32.mat", {"X": images.transpose(1, 2, 3, 0), "y": digits[:, None]})
        made[split] = {i: (int(digits[i]) % 10, images[i]) for i in range(count)}
    del made["extra"]
    return made


def caltech101(folder: Path) -> dict:
    files, rows = {}, {}
    for label, name in ((0, "accordion"), (1, "airplanes"), (4, "BACKGROUND_Google")):
        for i in range(1, 35):
            image = picture(f"caltech {name} {i}", 18, 14 + i % 5, 1 if i == 7 else 3)
            files[f"101_ObjectCategories/{name}/image_{i:04d}.jpg"] = encoded(image)
            rows[f"{name}/image_{i:04d}.jpg"] = (label, None)
    files["101_ObjectCategories/BACKGROUND_Google/tmp"] = b"not an image"
    write_tar(folder / "inner.tar.gz", files)
    inner = (folder / "inner.tar.gz").read_bytes()
    (folder / "inner.tar.gz").unlink()
    write_zip(folder / "caltech-101.zip", {"caltech-101/101_ObjectCategories.tar.gz": inner})
    return {"all": rows}


def dtd(folder: Path) -> dict:
    classes, files, made = class_names("dtd"), {}, {}
    for split, name, count in (("train", "train1", 40), ("validation", "val1", 8), ("test", "test1", 9)):
        keys = [f"{classes[i % 47]}/{classes[i % 47]}_{split}_{i:04d}.jpg" for i in range(count)]
        files[f"dtd/labels/{name}.txt"] = "".join(f"{key}\n" for key in keys).encode()
        files |= {f"dtd/images/{key}": encoded(picture(f"dtd {key}", 30, 40)) for key in keys}
        made[split] = {key: (i % 47, None) for i, key in enumerate(keys)}
    write_tar(folder / "dtd-r1.0.1.tar.gz", files, "w")  # published as a plain tar with this name
    return made


def oxford_flowers102(folder: Path) -> dict:
    from scipy.io import savemat

    count = 60
    labels = np.arange(count) % 10 * 5 + 1
    ids = np.random.default_rng(0).permutation(count) + 1
    parts = {"trnid": ids[:40], "valid": ids[40:48], "tstid": ids[48:]}
    savemat(folder / "imagelabels.mat", {"labels": labels[None]})
    savemat(folder / "setid.mat", {name: part[None] for name, part in parts.items()})
    files = {f"jpg/image_{i:05d}.jpg": encoded(picture(f"flower {i}", 33, 31)) for i in range(1, count + 1)}
    write_tar(folder / "102flowers.tgz", files)
    return {
        split: {f"image_{i:05d}.jpg": (int(labels[i - 1]) - 1, None) for i in parts[name]}
        for split, name in (("train", "trnid"), ("validation", "valid"), ("test", "tstid"))
    }


def oxford_iiit_pet(folder: Path) -> dict:
    classes, images, notes, made = class_names("oxford_iiit_pet"), {}, {}, {}
    for split, name, count in (("train", "trainval", 60), ("test", "test", 9)):
        rows = [(f"{classes[i % 37]}_{split[:2]}{i}", i % 37 + 1) for i in range(count)]
        notes[f"annotations/{name}.txt"] = "".join(
            f"{stem} {label} {i % 2 + 1} 1\n" for i, (stem, label) in enumerate(rows)
        ).encode()
        for stem, _ in rows:
            images[f"images/{stem}.jpg"] = encoded(picture(f"pet {stem}", 28, 36))
            notes[f"annotations/trimaps/{stem}.png"] = encoded(np.ones((28, 36), np.uint8), "PNG")
        made[split] = {f"{stem}.jpg": (label - 1, None) for stem, label in rows}
    write_tar(folder / "images.tar.gz", images)
    write_tar(folder / "annotations.tar.gz", notes)
    return made


def sun397(folder: Path) -> dict:
    classes, files, made = class_names("sun397"), {}, {}
    for split, count in (("train", 40), ("validation", 8), ("test", 9)):
        keys = sun397_lists()[split][:: len(sun397_lists()[split]) // count][:count]
        made[split] = {key: (classes.index(key[1:].rpartition("/")[0]), None) for key in keys}
        for i, key in enumerate(keys):
            files[f"SUN397{key}"] = encoded(*_sun_variant(i, picture(f"sun {key}", 50, 60 + i)))
    write_tar(folder / "SUN397.tar.gz", dict(sorted(files.items())))
    write_zip(folder / "Partitions.zip", {"Training_01.txt": b""})  # unused, but TensorFlow Datasets wants it
    return made


def _sun_variant(i: int, image: np.ndarray) -> tuple[np.ndarray, str]:
    """Some of SUN397's `.jpg` files are PNG, BMP, gray or have an alpha channel."""
    if i % 8 == 1:
        return np.dstack([image, np.full(image.shape[:2], 255, np.uint8)]), "PNG"
    if i % 8 == 2:
        return image[..., :1], "JPEG"
    return image, "BMP" if i % 8 == 3 else "JPEG"


def patch_camelyon(folder: Path) -> dict:
    made = {}
    for split, name, count in (("train", "train", 30), ("validation", "valid", 8), ("test", "test", 9)):
        images = np.stack([picture(f"pcam {name} {i}", 96, 96) for i in range(count)])
        labels = (np.arange(count) % 3 == 0).astype(np.uint8)
        for kind, data in (("x", images), ("y", labels.reshape(-1, 1, 1, 1))):
            buffer = io.BytesIO()
            with h5py.File(buffer, "w") as file:
                file.create_dataset(kind, data=data, chunks=(4, *data.shape[1:]), compression="gzip")
            path = folder / f"camelyonpatch_level_2_split_{name}_{kind}.h5.gz"
            path.write_bytes(gzip.compress(buffer.getvalue()))
        made[split] = {f"{name}_{i}": (int(labels[i]), images[i]) for i in range(count)}
    return made


def eurosat(folder: Path) -> dict:
    classes = class_names("eurosat")
    names = [(classes[i % 10], f"{classes[i % 10]}_{i // 10 + 1}.jpg") for i in range(70)]
    files = {f"2750/{label}/{name}": encoded(picture(f"eurosat {name}", 64, 64)) for label, name in names}
    write_zip(folder / "EuroSAT.zip", files)
    return {"train": {f"{label}_{name}": (classes.index(label), None) for label, name in names}}


def resisc45(folder: Path) -> dict:
    classes, rows = class_names("resisc45"), {}
    for i in range(70):
        label, name = classes[i % 45], f"{classes[i % 45]}_{i // 45 + 1:03d}.jpg"
        place = folder / "NWPU-RESISC45" / label / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encoded(picture(f"resisc {name}", 256, 256)))
        rows[f"{label}_{name}"] = (i % 45, None)
    return {"train": rows}


def diabetic_retinopathy(folder: Path) -> dict:
    tables = {"train": [(f"{i}_left", i % 5) for i in range(30)]}
    tables |= {
        "validation": [(f"{i}_right", i % 5) for i in range(100, 106)],
        "test": [(f"{i}_left", i % 5) for i in range(200, 206)],
    }
    for split, rows in tables.items():
        place = folder / ("train" if split == "train" else "test")
        place.mkdir(exist_ok=True)
        for name, _ in rows:
            (place / f"{name}.jpeg").write_bytes(encoded(_eye(name), quality=95))
    _table(folder / "trainLabels.csv", ["image", "level"], tables["train"])
    usage = {"validation": "Public", "test": "Private"}
    rows = [(*row, usage[split]) for split in ("test", "validation") for row in tables[split]]
    _table(folder / "retinopathy_solution.csv", ["image", "level", "Usage"], rows)
    (folder / "sample").mkdir(exist_ok=True)
    (folder / "sample" / "1_left.jpeg").write_bytes(encoded(_eye("sample")))
    return {split: {name: (level, None) for name, level in rows} for split, rows in tables.items()}


def _eye(name: str) -> np.ndarray:
    """A bright disc on black, wider than it is high or not, larger or smaller than the standard radius."""
    radius = 60 + int.from_bytes(hashlib.md5(name.encode()).digest()[:1], "big")
    height, width = 2 * radius + (-10 if len(name) % 2 else 12), 2 * radius + 30
    down, across = np.mgrid[:height, :width]
    inside = (down - height / 2) ** 2 + (across - width / 2) ** 2 < radius**2
    return np.where(inside[..., None], picture(f"eye {name}", height, width) // 2 + 90, 0).astype(np.uint8)


def _table(path: Path, head: list[str], rows: list[tuple]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def clevr(folder: Path) -> dict:
    files, made = {}, {}
    rng = np.random.default_rng(5)
    for part, count in (("train", 60), ("val", 8), ("test", 2)):
        names = [f"CLEVR_{part}_{i:06d}.png" for i in range(count)]
        scenes = [_scene(name, rng, i) for i, name in enumerate(names)]
        alpha = np.full((320, 480, 1), 255, np.uint8)
        pictures = {name: picture(f"clevr {name}", 320, 480) for name in names}
        for name in reversed(names):
            files[f"CLEVR_v1.0/images/{part}/{name}"] = encoded(np.dstack([pictures[name], alpha]), "PNG")
        questions = [{"image_filename": name, "question": "How many?", "answer": "3"} for name in names]
        files[f"CLEVR_v1.0/questions/CLEVR_{part}_questions.json"] = json.dumps({"questions": questions}).encode()
        if part != "test":
            content = json.dumps({"info": {"split": part}, "scenes": scenes}).encode()
            files[f"CLEVR_v1.0/scenes/CLEVR_{part}_scenes.json"] = content
            split = "train" if part == "train" else "validation"
            made[split] = {name: (scene["objects"], pictures[name]) for name, scene in zip(names, scenes, strict=True)}
    write_zip(folder / "CLEVR_v1.0.zip", files)
    return made


def _scene(name: str, rng: np.random.Generator, number: int) -> dict:
    words = {"color": "red", "material": "metal", "shape": "cube", "size": "small"}
    edges = (8.0, 8.5, 9.0, 9.5, 10.0)
    objects = [
        words
        | {"rotation": 1.5, "3d_coords": [0.5, 1.0, 0.7]}
        | {"pixel_coords": [100, 90, float(rng.uniform(7, 12)) if i else edges[number % 5] + (number % 3 - 1) * 0.25]}
        for i in range(3 + number % 8)
    ]
    return {"image_filename": name, "image_index": number, "objects": objects}


def dmlab(folder: Path) -> dict:
    files, made = {}, {}
    for split, count in (("train", 30), ("validation", 7), ("test", 7)):
        made[split], shards = {}, [b"", b""]
        for i in range(count):
            key = f"{split}/episode_{i * 37 % 101}.jpg".encode()
            data = encoded(picture(f"dmlab {key}", 360, 480), quality=60)
            shards[i % 2] += record(example({"filename": key, "image": data, "label": i % 6}))
            made[split][key] = (i % 6, None)
        for n, shard in enumerate(shards):
            files[f"dmlab-{split}.tfrecord-{n:05d}-of-00002"] = shard
    write_tar(folder / "dmlab.tar.gz", files)
    return made


def kitti(folder: Path) -> dict:
    rng, count = np.random.default_rng(6), 60
    videos = [f"2011_09_{i % 12:02d}_drive" for i in range(count)]
    lines = [f"2011_09_26 {videos[i]} {i:010d}" for i in range(count)]
    order = rng.permutation(count)
    files = {
        "mapping/train_mapping.txt": "\n".join(lines[i] for i in np.argsort(order)).encode(),
        "mapping/train_rand.txt": ",".join(str(i + 1) for i in order).encode(),
    }
    write_zip(folder / "devkit_object.zip", files | {"readme.txt": b"x"})
    labels, images, rows = {}, {"testing/image_2/000000.png": encoded(picture("kitti test", 37, 124), "PNG")}, {}
    for i in range(count):
        image = picture(f"kitti {i}", 37, 124 - i % 3)
        text = "".join(_kitti_line(kind, z) for kind, z in _kitti_objects(i))
        labels[f"training/label_2/{i:06d}.txt"] = text.encode()
        images[f"training/image_2/{i:06d}.png"] = encoded(image, "PNG")
        rows[f"{i:06d}.png"] = (_kitti_objects(i), image)
    write_zip(folder / "data_object_label_2.zip", labels)
    write_zip(folder / "data_object_image_2.zip", images)
    return {"all": rows, "videos": videos}


def _kitti_objects(i: int) -> list[tuple[str, float]]:
    distances = (7.5, 8.0, 8.01, 20.0, 20.5, 60.0)
    kinds = ("Car", "Van", "Truck", "Pedestrian", "DontCare", "Cyclist")
    return [("Pedestrian", 3.0)] + ([(kinds[i % 6], distances[(i // 2) % 6]), ("Car", 70.0)] if i % 7 else [])


def _kitti_line(kind: str, z: float) -> str:
    return f"{kind} 0.00 0 -1.5 10.0 5.0 50.0 30.0 1.5 1.6 3.5 1.0 1.5 {z} 0.1\n"


def dsprites(folder: Path) -> dict:
    rng, count = np.random.default_rng(7), 130
    classes = np.stack([rng.integers(0, n, count) for n in (1, 3, 6, 40, 32, 32)], 1).astype(np.int64)
    images = np.stack([(picture(f"sprite {i}", 64, 64, 1)[..., 0] > 127).astype(np.uint8) for i in range(count)])
    with h5py.File(folder / "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5", "w") as file:
        file.create_dataset("imgs", data=images, chunks=(7, 16, 64), compression="gzip")
        file.create_dataset("latents/classes", data=classes)
        file.create_dataset("latents/values", data=classes.astype(np.float64))
    return {"train": {i: (classes[i], images[i][..., None] * np.uint8(255)) for i in range(count)}}


def smallnorb(folder: Path) -> dict:
    made = {}
    for split, stem, count in (
        ("train", "smallnorb-5x46789x9x18x6x2x96x96-training", 30),
        ("test", "smallnorb-5x01235x9x18x6x2x96x96-testing", 24),
    ):
        images = np.stack(
            [[picture(f"norb {split} {i} {eye}", 96, 96, 1)[..., 0] for eye in "lr"] for i in range(count)]
        )
        info = np.stack([np.arange(count) % n for n in (10, 9, 18, 6)], 1).astype("<i4")
        info[:, 2] *= 2
        for kind, data in (("dat", images), ("cat", np.arange(count, dtype="<i4") % 5), ("info", info)):
            magic = 0x1E3D4C55 if kind == "dat" else 0x1E3D4C54
            shape = [*data.shape, 1, 1][: max(3, data.ndim)]
            head = struct.pack(f"<{2 + len(shape)}i", magic, data.ndim, *shape)
            (folder / f"{stem}-{kind}.mat.gz").write_bytes(gzip.compress(head + data.tobytes()))
        made[split] = {i: (info[i], images[i, 0][..., None]) for i in range(count)}
    return made


MAKERS = (
    caltech101, cifar100, dtd, oxford_flowers102, oxford_iiit_pet, svhn, sun397, patch_camelyon,
    eurosat, resisc45, diabetic_retinopathy, clevr, dmlab, kitti, dsprites, smallnorb,
)  # fmt: skip


def make(data_dir: Path) -> dict[str, dict]:
    """Write all data sets below `data_dir`; returns what each maker returns, by data set."""
    made = {}
    for maker in MAKERS:
        folder = data_dir / maker.__name__
        folder.mkdir(parents=True)
        made[maker.__name__] = maker(folder)
    (data_dir / "scaled_down.json").write_text(json.dumps({"train": TRAIN, "val": VAL}))
    return made


if __name__ == "__main__":
    make(Path(sys.argv[1]))
