"""Data sets that are published as arrays: CIFAR-100, SVHN, smallNORB, dSprites, PatchCamelyon."""

import gzip
import io
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from subtuning.errors import UserError
from subtuning.tasks.vtab.files import damaged, pick, text_of
from subtuning.tasks.vtab.raw import Raw, raw_of_arrays

Rows = Iterator[tuple[int, np.ndarray]]
"""(Index, image) of wanted examples."""

_BLOCK = 1 << 27
"""Bytes of a compressed array that are unpacked at once."""


def _wrong(path: Path, what: str) -> UserError:
    return UserError(f"{path} {what}; it is not the published file")


def cifar100(files: dict[str, Path], scaled: bool) -> Raw:
    """CIFAR-100 (binary or Python version): 3,073 or so bytes an image, planes of 32 x 32; key = index; fine labels."""
    path = files["cifar-100-binary.tar.gz"]
    binary = "python" not in path.name
    classes, splits = _cifar_binary(path) if binary else _cifar_pickles(path)

    def images(split: str, mask: np.ndarray) -> Rows:
        return ((i, splits[split][0][i].reshape(3, 32, 32).transpose(1, 2, 0)) for i in np.flatnonzero(mask))

    return raw_of_arrays({split: labels for split, (_, labels) in splits.items()}, images, classes)


def _cifar_binary(path: Path):
    (names,) = text_of(path, "cifar-100-binary/fine_label_names.txt")
    splits = {}
    for member in pick(path, {"cifar-100-binary/train.bin", "cifar-100-binary/test.bin"}):
        data = np.frombuffer(member.read(), np.uint8)
        if not len(data) or len(data) % 3074:
            raise _wrong(path, f"has a {member.name} of {len(data):,} bytes, which is no multiple of 3,074")
        rows = data.reshape(-1, 3074)  # coarse label, fine label, 3 x 1,024 pixels
        splits[Path(member.name).stem] = rows[:, 2:], rows[:, 1]
    return tuple(names.split()), splits


class _PlainPickles(pickle.Unpickler):
    """Loads the arrays, lists and texts of which CIFAR's files consist, and nothing that could run code."""

    def find_class(self, module: str, name: str):
        if (module.replace("numpy._core", "numpy.core"), name) in {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),  # how a newer Python writes bytes in an old format
        }:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")


def _cifar_pickles(path: Path):
    content = {}
    for member in pick(path, {f"cifar-100-python/{name}" for name in ("meta", "train", "test")}):
        try:
            content[Path(member.name).name] = _PlainPickles(io.BytesIO(member.read()), encoding="latin1").load()
        except (pickle.UnpicklingError, EOFError, AttributeError, ValueError, TypeError, KeyError) as error:
            raise _wrong(path, f"has an unreadable {member.name} ({' '.join(str(error).split())[:60]})") from None
    splits = {split: (content[split]["data"], np.array(content[split]["fine_labels"])) for split in ("train", "test")}
    return tuple(content["meta"]["fine_label_names"]), splits


def svhn(files: dict[str, Path], scaled: bool) -> Raw:
    """SVHN cropped digits: `X` 32 x 32 x 3 x N and `y` N x 1 with 10 for the digit 0; key = index."""
    from scipy.io import loadmat

    splits, labels = {}, {}
    for split in ("train", "test"):
        path = files[f"{split}_32x32.mat"]
        try:
            content = loadmat(path)
            splits[split], digits = content["X"], content["y"].ravel()
        except (ValueError, KeyError, TypeError, OSError, EOFError, NotImplementedError) as error:
            raise _wrong(path, f"cannot be read ({' '.join(str(error).split())[:60]})") from error
        if splits[split].shape != (32, 32, 3, len(digits)) or digits.min() < 1 or digits.max() > 10:
            raise _wrong(path, f"holds {splits[split].shape} images for {len(digits)} labels")
        labels[split] = digits % 10

    def images(split: str, mask: np.ndarray) -> Rows:
        return ((i, splits[split][..., i]) for i in np.flatnonzero(mask))

    return raw_of_arrays(labels, images, tuple("0123456789"))


NORB_TRAIN = "smallnorb-5x46789x9x18x6x2x96x96-training-{}.mat"
NORB_TEST = "smallnorb-5x01235x9x18x6x2x96x96-testing-{}.mat"
_NORB_TYPES = {0x1E3D4C55: np.dtype("u1"), 0x1E3D4C54: np.dtype("<i4")}
"""Magic numbers of the format that the data set's page describes."""


def smallnorb(column: int, classes: tuple[str, ...], halved: bool):
    """A reader of smallNORB's first camera, 96 x 96 x 1; the label is a column of the info file (azimuth is halved)."""

    def open_raw(files: dict[str, Path], scaled: bool) -> Raw:
        paths = {"train": NORB_TRAIN, "test": NORB_TEST}
        data = {split: files[name.format("dat") + ".gz"] for split, name in paths.items()}
        labels = {}
        for split, name in paths.items():
            path = files[name.format("info") + ".gz"]
            with damaged(path), _opened(path) as file:
                shape, kind = _norb_header(file, path)
                info = np.frombuffer(file.read(), kind).reshape(shape[:2])
            labels[split] = info[:, column] // (2 if halved else 1)
        return raw_of_arrays(labels, lambda split, mask: _norb_images(data[split], mask), classes)

    return open_raw


def _opened(path: Path):
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _norb_header(file, path: Path) -> tuple[tuple[int, ...], np.dtype]:
    magic, count = np.frombuffer(_exactly(file, 8), "<i4").tolist()
    if magic not in _NORB_TYPES or not 1 <= count <= 8:
        raise _wrong(path, "does not begin as a smallNORB matrix")
    sizes = np.frombuffer(_exactly(file, 4 * max(3, count)), "<i4")  # at least three sizes are always written
    return tuple(sizes[:count].tolist()), _NORB_TYPES[magic]


def _norb_images(path: Path, mask: np.ndarray) -> Rows:
    with damaged(path), _opened(path) as file:
        shape, kind = _norb_header(file, path)
        if shape != (len(mask), 2, 96, 96) or kind != np.dtype("u1"):
            raise _wrong(path, f"holds {kind} {shape} instead of uint8 {(len(mask), 2, 96, 96)}")
        for i in range(len(mask)):
            pair = _exactly(file, 2 * 96 * 96)
            if mask[i]:
                yield i, np.frombuffer(pair, np.uint8, count=96 * 96).reshape(96, 96, 1)


def _exactly(file, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise EOFError("the file ends early")
    return data


def dsprites(labels_of, classes: tuple[str, ...]):
    """A reader of dSprites, 64 x 64 x 1 with values 0 and 1 (stored as 0 and 255, as VTAB shows them); key = index."""

    def open_raw(files: dict[str, Path], scaled: bool) -> Raw:
        path = files["dsprites_ndarray_co1sh3sc6or40x32y32_64x64.hdf5"]
        latents, stored = _dsprites_npz(path) if path.suffix == ".npz" else _dsprites_hdf5(path)

        def images(split: str, mask: np.ndarray) -> Rows:
            return ((i, image[..., None] * np.uint8(255)) for i, image in stored(mask))

        return raw_of_arrays({"train": labels_of(latents)}, images, classes)

    return open_raw


def _dsprites_hdf5(path: Path) -> tuple[np.ndarray, Callable[[np.ndarray], Rows]]:
    def images(mask: np.ndarray) -> Rows:
        with _hdf5(path, "imgs") as (pixels,):
            yield from _hdf5_rows(pixels, mask, path, (64, 64))

    with _hdf5(path, "latents/classes", "imgs") as (latents, _):
        return latents[:], images


def _dsprites_npz(path: Path) -> tuple[np.ndarray, Callable[[np.ndarray], Rows]]:
    from subtuning.tasks.sources.arrays import read_rows

    def images(mask: np.ndarray) -> Rows:
        return ((i, image) for i, image in enumerate(read_rows(path, "imgs", (64, 64))) if mask[i])

    with damaged(path):
        try:
            return np.load(path, allow_pickle=False)["latents_classes"], images
        except (KeyError, ValueError):
            raise _wrong(path, "has no array latents_classes") from None


def patch_camelyon(files: dict[str, Path], scaled: bool) -> Raw:
    """PatchCamelyon: HDF5 files `x` N x 96 x 96 x 3 and `y` N x 1 x 1 x 1, gzipped; key `train_0`, `valid_0`, `test_0`.

    HDF5 cannot be read from a gzip stream, so a gzipped file is unpacked beside itself while it is read.
    """
    names = {"train": "train", "validation": "valid", "test": "test"}
    base = "camelyonpatch_level_2_split_{}_{}.h5.gz"
    labels = {}
    for split, name in names.items():
        with _gunzipped(files[base.format(name, "y")]) as path, _hdf5(path, "y") as (values,):
            labels[split] = values[:].reshape(-1)

    def images(split: str, mask: np.ndarray) -> Rows:
        with _gunzipped(files[base.format(names[split], "x")]) as path, _hdf5(path, "x") as (pixels,):
            yield from _hdf5_rows(pixels, mask, path, (96, 96, 3))

    keys = {split: [f"{names[split]}_{i}" for i in range(len(values))] for split, values in labels.items()}
    return raw_of_arrays(labels, images, ("no tumour", "tumour"), keys)


@contextmanager
def _gunzipped(path: Path) -> Iterator[Path]:
    if path.suffix != ".gz":
        yield path
        return
    folder = path.parent / ".unpacked"
    shutil.rmtree(folder, ignore_errors=True)  # as a killed conversion leaves it
    try:
        folder.mkdir()
    except OSError:  # a read-only data folder
        folder = Path(tempfile.mkdtemp(prefix="subtuning-"))
    try:
        unpacked = folder / path.stem
        with damaged(path), gzip.open(path) as packed, unpacked.open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 22)
        yield unpacked
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _hdf5(path: Path, *names: str):
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise _wrong(path, f"cannot be opened as HDF5 ({' '.join(str(error).split())[:60]})") from error
    with file:
        missing = [name for name in names if name not in file]
        if missing:
            raise _wrong(path, f"lacks the array {missing[0]}")
        yield tuple(file[name] for name in names)


def _hdf5_rows(pixels, mask: np.ndarray, path: Path, size: tuple[int, ...]) -> Rows:
    """Wanted rows of an array N x size, in blocks that fit its chunks, so that no chunk is unpacked twice."""
    if pixels.shape != (len(mask), *size) or pixels.dtype != np.uint8:
        raise _wrong(path, f"holds {pixels.dtype} {pixels.shape} images for {len(mask)} labels")
    chunk = pixels.chunks[0] if pixels.chunks else 1
    block = max(1, _BLOCK // int(np.prod(size)) // chunk) * chunk
    block = min(block, max(1, 4 * _BLOCK // int(np.prod(size))))
    for start in range(0, len(mask), block):
        rows = np.flatnonzero(mask[start : start + block])
        if len(rows):
            with damaged(path):
                images = pixels[start + int(rows[0]) : start + int(rows[-1]) + 1]
            yield from ((start + int(row), images[row - rows[0]]) for row in rows)
