"""`source: arrays`: a NumPy `.npz` file, read row by row so that it need not fit into memory."""

import io
import itertools
import math
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from subtuning.errors import UserError, listed
from subtuning.paths import not_expanded
from subtuning.tasks.parts import consecutive, divide
from subtuning.tasks.source import PARTS, Item, Source, check_classes, check_label_kind, check_labels, number_classes

MAX_CLASSES = 100_000
MAX_IMAGES = 50_000_000
"""Labels are read into memory, so there is a limit; ImageNet-21k has 14 million."""

MAX_PIXELS = 89_478_485
"""Height x width of one image at most: Pillow's own limit for picture files."""

_LARGEST_NAMES = 100_000_000
_LARGEST_TURNED = 4_000_000_000
_LARGEST_HEADER = 10_000
_UNPACKED = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1100}
"""Bytes that one byte of the file can become, for the two ways in which NumPy packs. Deflate's limit is 1032; with the
other ways of zip, some kilobytes can become terabytes."""

_DAMAGE = (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, NotImplementedError, RuntimeError)
_DAMAGE += (OverflowError, MemoryError, TypeError)
_SCHEMES = [("x_{}", "y_{}"), ("{}_images", "{}_labels")]
"""Names of a part's images and labels: Keras' and MedMNIST's."""


def open_source(spec, workers: int = 1, progress: bool = False) -> Source:
    """x_* are uint8 N x H x W (x 1 or 3); without x_val, part of x_train becomes val. Gray arrays stay one channel."""
    path = Path(spec.path)
    shapes, names = _shapes(path)
    sizes = {part: _image_size(path, name, shapes) for part, (name, _) in names.items() if name in shapes}
    if len({size for _, size in sizes.values()}) > 1:
        found = listed(f"{names[part][0]} {size}" for part, (_, size) in sizes.items())
        raise UserError(f"{path}: all images must have one height, width and number of channels, not {found}")
    counts = {part: count for part, (count, _) in sizes.items()}
    classes, every, warnings = _labels(path, shapes, names, counts)
    rows = divide(every, spec, str(path), consecutive(counts))
    places = {int(i): (part, row) for part, own in rows.items() for row, i in enumerate(own)}
    labels, size = {part: every[own] for part, own in rows.items()}, sizes["train"][1]

    def items() -> Iterator[Item]:
        position = itertools.count()
        for name, _ in (names[part] for part in sizes):
            for i, image in enumerate(read_rows(path, name, size)):
                yield Item(*places[next(position)], f"{name}[{i}]", image)

    return Source(classes, labels, items, size, decode=None, channels=size[2], warnings=tuple(warnings))


def _shapes(path: Path) -> tuple[dict[str, tuple[tuple[int, ...], np.dtype]], dict[str, tuple[str, str]]]:
    """Shape and type of every array of the file, from the headers alone; and each part's names of images and labels."""
    if not path.is_file():
        found = "is no file" if path.exists() else f"does not exist{not_expanded(path)}"
        raise UserError(f"array file {path} {found}; path: must be a .npz file with x_train, y_train, x_test, y_test")
    shapes, promised = {}, {}
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith(".npy"):
                    with archive.open(entry) as member:
                        shape, _, dtype = _header(member)
                        name = entry.filename.removesuffix(".npy")
                        shapes[name] = (shape, dtype)
                        promised[name] = member.tell() + math.prod(shape) * dtype.itemsize, _possible(entry, path)
    except Exception:  # NumPy reads a header as Python; what is none has all of Python's exceptions
        raise UserError(f"{path} is not a readable .npz file: damaged, or not made by numpy.savez") from None
    scheme = next((words for words in _SCHEMES if words[0].format("train") in shapes), _SCHEMES[0])
    names = {part: tuple(word.format(part) for word in scheme) for part in PARTS}
    missing = [name for part in ("train", "test") for name in names[part] if name not in shapes]
    missing += [name for name, other in (names["val"], names["val"][::-1]) if other in shapes and name not in shapes]
    if missing:
        raise UserError(f"{path} lacks {listed(missing)}; it has {listed(sorted(shapes)) or 'no arrays'}")
    objects = [name for name, (_, dtype) in shapes.items() if dtype.hasobject]
    if objects:
        raise UserError(f"{path}: {listed(objects)} holds Python objects, which are not read; save plain numbers")
    untrue = [f"{name} {shapes[name][0]}" for name, (size, possible) in promised.items() if not 0 <= size <= possible]
    if untrue:
        raise UserError(f"{path}: these arrays claim to be larger than what the file can hold: {listed(untrue)}")
    return shapes, names


def _possible(entry: zipfile.ZipInfo, path: Path) -> int:
    """How many bytes an array can have at most, whatever its header says."""
    if entry.compress_type not in _UNPACKED:
        raise ValueError("not a way in which NumPy packs")
    return min(entry.file_size, _UNPACKED[entry.compress_type] * min(entry.compress_size, path.stat().st_size))


def _header(member) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(member)
    if version[0] == 1:
        return np.lib.format.read_array_header_1_0(member)
    length = member.read(4)  # NumPy would read as much as is claimed here before it complains
    size = int.from_bytes(length, "little")
    if size > _LARGEST_HEADER:
        raise ValueError("not a header")
    return np.lib.format.read_array_header_2_0(io.BytesIO(length + member.read(size)))


def _image_size(path: Path, name: str, shapes: dict) -> tuple[int, tuple[int, int, int]]:
    """Number of images and (H, W, C) of one x_* array."""
    shape, dtype = shapes[name]
    if dtype != np.uint8 or len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)) or min(shape) < 1:
        raise UserError(f"{path}: {name} is {dtype} {shape}; it must be uint8, N x H x W or N x H x W x 1 or 3")
    if shape[0] > MAX_IMAGES or shape[1] * shape[2] > MAX_PIXELS:
        raise UserError(
            f"{path}: {name} is {shape}; there may be {MAX_IMAGES:,} images of {MAX_PIXELS:,} pixels at most"
        )
    return shape[0], (shape[1], shape[2], shape[3] if len(shape) == 4 else 1)


def _labels(
    path: Path, shapes: dict, names: dict[str, tuple[str, str]], counts: dict[str, int]
) -> tuple[tuple[str, ...], np.ndarray, list[str]]:
    """Classes, labels (int64 N) of the parts that are there, one after another, and warnings."""
    _check_label_headers(path, shapes, names, counts)
    try:
        with np.load(path, allow_pickle=False) as data:
            labels = {part: data[names[part][1]].reshape(count) for part, count in counts.items()}
            classes = [str(name) for name in data["class_names"].ravel()] if "class_names" in shapes else None
    except _DAMAGE:
        raise UserError(f"{path} is damaged: its labels cannot be read") from None
    if classes is None:
        limit = min(max(int(own.max(initial=0)) for own in labels.values()), MAX_CLASSES - 1) + 1
    else:
        limit = len(check_classes(classes, f"{path}: class_names"))
    every = np.concatenate([check_labels(own, limit, f"{path}: {names[part][1]}") for part, own in labels.items()])
    return number_classes(every, str(path)) if classes is None else (tuple(classes), every, [])


def _check_label_headers(path: Path, shapes: dict, names: dict[str, tuple[str, str]], counts: dict[str, int]) -> None:
    """What is wrong with labels or class names is told before they are read: they may be as large as a disk."""
    for part, count in counts.items():
        x, y = names[part]
        shape, dtype = shapes[y]
        check_label_kind(shape[:1] if shape[1:] == (1,) else shape, dtype, f"{path}: {y}")
        if shape[0] != count:
            raise UserError(f"{path}: {x} has {count} images, but {y} has {shape[0]} labels")
    if "class_names" in shapes:
        shape, dtype = shapes["class_names"]
        if math.prod(shape) * dtype.itemsize > _LARGEST_NAMES or math.prod(shape) > MAX_CLASSES:
            raise UserError(f"{path}: class_names is {dtype} {shape}; it must be a name for each class")


def read_rows(path: Path, name: str, size: tuple[int, ...]) -> Iterator[np.ndarray]:
    """The images (uint8, of shape `size`) of one array, in order, without loading the array."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
            shape, columns_first, _ = _header(member)
            if columns_first and len(shape) > 1:
                if math.prod(shape) > _LARGEST_TURNED:
                    raise UserError(f"{path}: {name} is stored column by column; save np.ascontiguousarray of it")
                yield from np.load(path, allow_pickle=False)[name].reshape(shape[0], *size)
                return
            for _ in range(shape[0]):
                data = member.read(int(np.prod(size)))
                yield np.frombuffer(data, np.uint8).reshape(size)
    except _DAMAGE as error:
        raise UserError(f"{path} is damaged: {name} cannot be read to its end") from error
