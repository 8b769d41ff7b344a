"""Compare our reading of VTAB-1k's 16 data sets with TensorFlow Datasets itself, on made-up raw files.

    python3.11 -m venv ../tfds && ../tfds/bin/pip install -r tests/tasks/requirements-tfds.txt
    ../tfds/bin/python -m tests.tasks.compare_tfds

Both sides read the same files. Compared are, for every split and in stored order: how many examples there are, their
labels (for computed labels: from TensorFlow Datasets' features, by VTAB's formula written out here), and their pixels.
Exit status 1 if anything differs by more than it should.
"""

import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from subtuning.tasks.resize import interpolate
from subtuning.tasks.sources.vtab import read_raw
from subtuning.tasks.vtab.order import stored_order
from subtuning.tasks.vtab.registry import TASKS
from tests.tasks import synthetic

BUILDERS = {
    "oxford_flowers102": "oxford_flowers102",
    "svhn": "svhn_cropped",
    "sun397": "sun397/tfds",
    "eurosat": "eurosat/rgb",
    "diabetic_retinopathy": "diabetic_retinopathy_detection/btgraham-300",
}
"""Names of TensorFlow Datasets' builders where they are not our data sets' names."""


def _largest_edge(value: float, edges: list[float]) -> int:
    return max(i for i, edge in enumerate(edges) if np.float32(value) > edge)


def _kitti(example: dict) -> int:
    objects = example["objects"]
    near = [place[2] for kind, place in zip(objects["type"], objects["location"], strict=True) if kind < 3]
    return _largest_edge(min([*near, 1000.0]), [-100.0, 8.0, 20.0, 999.0])


OFFICIAL = {
    "clevr_count": lambda e: len(e["objects"]["color"]) - 3,
    "clevr_dist": lambda e: _largest_edge(e["objects"]["pixel_coords"][:, 2].min(), [0, 8, 8.5, 9, 9.5, 10, 100]),
    "kitti": _kitti,
    "dsprites_loc": lambda e: int(np.floor(np.float32(e["label_x_position"]) / np.float32(32 / 16))),
    "dsprites_ori": lambda e: int(np.floor(np.float32(e["label_orientation"]) / np.float32(40 / 16))),
    "smallnorb_azi": lambda e: int(e["label_azimuth"]),
    "smallnorb_ele": lambda e: int(e["label_elevation"]),
}


def _official_image(task: str, data: bytes, channels: int, method: str) -> np.ndarray:
    """Decode as TensorFlow does; for JPEG by its fast (default) or its accurate cosine transform, Pillow's."""
    if data[:2] == b"\xff\xd8":
        return tf.io.decode_jpeg(data, channels=3, dct_method=method).numpy()
    image = tf.io.decode_png(data, channels=channels).numpy()
    return image * np.uint8(255) if task.startswith("dsprites") else image


def prepare(data_set: str, raw: Path, work: Path):
    """Let TensorFlow Datasets prepare a data set from the made-up files, without the real ones' checksums."""
    manager = tfds.download.DownloadManager
    manager._register_or_validate_checksums = lambda *args, **kwargs: None
    builder = tfds.builder(BUILDERS.get(data_set, data_set), data_dir=str(work))
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=str(raw / data_set)))
    return builder


def sorted_listings() -> None:
    """Make directory listings sorted, and without Caltech-101's stray file: our definition of its draw."""
    listdir, walk = tf.io.gfile.listdir, tf.io.gfile.walk
    tf.io.gfile.listdir = lambda path: sorted(listdir(path))
    tf.io.gfile.walk = lambda path: (
        (place, folders, sorted(name for name in names if name != "tmp")) for place, folders, names in walk(path)
    )


def compare(task: str, builder, raw: Path) -> tuple[str, bool]:
    """One line of the table, and whether all is as it should be."""
    entry = TASKS[task]
    ours = read_raw(entry, raw / entry.data_set, scaled=True)
    read_config = tfds.ReadConfig(interleave_cycle_length=1)
    examples, channels = 0, entry.native[2] if entry.native else 3
    fast, exact, problems = [], [], []
    for split in sorted({cut.split for cut in entry.cuts.values()}):
        stored = builder.as_dataset(
            split=split, shuffle_files=False, read_config=read_config, decoders={"image": tfds.decode.SkipDecoding()}
        )
        theirs = list(tfds.as_numpy(stored))
        order = stored_order(split, ours.keys[split])
        everything = {split: np.ones(len(order), bool)}
        images = {i: payload for _, i, payload in ours.read(everything)}
        label_of = OFFICIAL.get(task, lambda example: int(example["label"]))
        if [label_of(example) for example in theirs] != ours.labels[split][order].tolist():
            problems.append(f"{split}: labels or their order differ")
            continue
        for i, example in zip(order, theirs, strict=True):
            mine = images[i] if isinstance(images[i], np.ndarray) else np.asarray(entry.decode(images[i]))
            for found, method in ((fast, "INTEGER_FAST"), (exact, "INTEGER_ACCURATE")):
                image = _official_image(task, example["image"], channels, method)
                if mine.shape != image.shape:
                    problems.append(f"{split} {ours.keys[split][i]}: {mine.shape} instead of {image.shape}")
                    break
                difference = np.abs(mine.astype(int) - image.astype(int))
                found.append((difference.mean(), difference.max()))
        examples += len(theirs)
    (mean, most), (exact_mean, exact_most) = (
        (np.mean([m for m, _ in found]), max(m for _, m in found)) for found in (fast, exact)
    )
    good = not problems and exact_most == 0
    verdict = "; ".join(problems[:3]) or "equal"
    line = f"| {task} | {builder.info.full_name} | {examples} | {verdict} "
    return line + f"| {exact_mean:.2f} ({exact_most}) | {mean:.2f} ({most}) |", good


def compare_resize() -> float:
    """Largest difference between our legacy bilinear resize and `tf.compat.v1.image.resize`."""
    image = synthetic.picture("resize", 333, 500)
    return max(
        float(
            np.abs(
                interpolate(image, size, size, half_pixel=False) - tf.compat.v1.image.resize(image, [size, size])
            ).max()
        )
        for size in (224, 100, 640)
    )


def main() -> int:
    """Run everything and print a Markdown table."""
    sorted_listings()
    tfds.disable_progress_bar()
    good = True
    names = ("tensorflow-cpu", "tensorflow-datasets", "opencv-python-headless", "numpy", "pillow")
    print("Python " + sys.version.split()[0], *(f"{name} {version(name)}" for name in names), sep=", ")
    print("| task | builder | examples | members, order, labels | pixels, accurate DCT: mean (largest) | default DCT |")
    print("|--|--|--|--|--|--|")
    with tempfile.TemporaryDirectory() as place:
        raw, builders = Path(place) / "raw", {}
        synthetic.make(raw)
        for task, entry in TASKS.items():
            if entry.data_set not in builders:
                builders[entry.data_set] = prepare(entry.data_set, raw, Path(place) / "tfds")
            line, fine = compare(task, builders[entry.data_set], raw)
            print(line + ("" if fine else " **TOO LARGE OR WRONG**"), flush=True)
            good &= fine
    resize = compare_resize()
    print(f"legacy bilinear resize against tf.compat.v1.image.resize: largest difference {resize:.5f} gray levels")
    return 0 if good and resize < 1e-3 else 1


if __name__ == "__main__":
    sys.exit(main())
