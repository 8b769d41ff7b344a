"""Array files that claim what they do not hold: each stops with one sentence, soon, and writes nothing anywhere.

`tests/tasks/test_task_errors.py` has the mistakes that people make; here is what only malice or a broken disk makes.
"""

import io
import os
import re
import struct
import zipfile

import numpy as np
import pytest

from tests.hostile.conftest import TERA, call, convert_words, refused, sparse
from tests.tasks.pictures import npz


def header(shape, descr="|u1", version=(1, 0)):
    """The beginning of a `.npy` file, whatever follows it."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version == (1, 0) else "<I", len(text)) + text


def with_member(path, name, content, how=zipfile.ZIP_STORED):
    """Replace one array of a `.npz` by any bytes."""
    with zipfile.ZipFile(path) as archive:
        held = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in (held | {f"{name}.npy": content}).items():
            archive.writestr(entry, data, how if entry == f"{name}.npy" else zipfile.ZIP_STORED)


def array_case(name, content, how=zipfile.ZIP_STORED):
    def make(folder):
        with_member(npz(folder / "a.npz"), name, content() if callable(content) else content, how)

    return make


def saved(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def lying_directory(folder):
    """The zip's own table says that 100 bytes are a terabyte."""
    array_case("y_train", header((TERA // 8,), "<i8") + b"\0" * 100)(folder)
    data = bytearray((folder / "a.npz").read_bytes())
    entry = data.index(b"y_train.npy", data.index(b"PK\x01\x02")) - 46
    data[entry + 20 : entry + 28] = struct.pack("<II", 0xFFFFFF00, 0xFFFFFF00)
    (folder / "a.npz").write_bytes(data)


LARGER = "claim to be larger than what the file can hold: "
UNREADABLE = r"a\.npz is not a readable \.npz file: damaged, or not made by numpy\.savez"
ARRAYS = {
    "a terabyte of labels": (array_case("y_train", header((TERA // 8,), "<i8")), LARGER + r"y_train \(137438953472,\)"),
    "a terabyte of images": (array_case("x_train", header((TERA // 192, 8, 8, 3))), LARGER + "x_train"),
    "more than 64 bits of images": (array_case("x_train", header((10**15, 10**15, 8, 3))), LARGER + "x_train"),
    "less than no images": (array_case("x_train", header((-12, 6, 7, 3))), LARGER + r"x_train \(-12, 6, 7, 3\)"),
    "minus times minus": (
        array_case("x_train", header((-12, -6, 7, 3)) + b"\0" * 1512),
        r"x_train is uint8 \(-12, -6, 7, 3\); it must be uint8",
    ),
    "names of a terabyte": (array_case("class_names", header((TERA // 4,), "<U1")), LARGER + "class_names"),
    "names beyond 64 bits": (array_case("class_names", header((0, 2**64 + 1))), "its labels cannot be read|no class"),
    "too many names": (
        array_case("class_names", saved(np.array(["a"] * 100_001))),
        r"class_names is <U1 \(100001,\); it must be a name for each class",
    ),
    "a zip that lies": (lying_directory, f"{UNREADABLE}|{LARGER}y_train"),
    "60 million images in 60 KB": (
        array_case("x_train", lambda: header((60_000_000, 1, 1)) + bytes(60_000_000), zipfile.ZIP_DEFLATED),
        r"x_train is \(60000000, 1, 1\); there may be 50,000,000 images of 89,478,485 pixels at most",
    ),
    "one huge image": (
        array_case("x_train", lambda: header((1, 10_000, 9_000)) + bytes(90_000_000), zipfile.ZIP_DEFLATED),
        "there may be 50,000,000 images of 89,478,485 pixels at most",
    ),
    "packed with bzip2": (array_case("y_train", saved(np.zeros(12, int)), zipfile.ZIP_BZIP2), UNREADABLE),
    "packed with lzma": (array_case("x_test", saved(np.zeros((5, 6, 7, 3), np.uint8)), zipfile.ZIP_LZMA), UNREADABLE),
    "a header of four gigabytes": (
        array_case("x_train", b"\x93NUMPY\2\0\xff\xff\xff\xff{'descr': '|u1'}"),
        UNREADABLE,
    ),
    "a header that is a program": (
        array_case("x_train", b"\x93NUMPY\1\0\x20\0__import__('os').getcwd()       \n"),
        UNREADABLE,
    ),
    "a header that is nested": (array_case("x_train", b"\x93NUMPY\1\0\x10\x27" + b"[" * 10_000), UNREADABLE),
    "a type that is none": (array_case("x_train", header((12, 6, 7, 3), "|u99")), UNREADABLE),
    "labels that are text": (
        array_case("y_train", saved(np.array(["cat"] * 12))),
        r"y_train must be a one-dimensional array of whole numbers, not <U3 \(12,\)",
    ),
    "labels that are complex": (array_case("y_train", saved(np.zeros(12, complex))), "not complex128"),
    "labels that are true and false": (array_case("y_train", saved(np.zeros(12, bool))), "not bool"),
    "labels beyond 64 bits with sign": (
        array_case("y_test", saved(np.full(5, 2**64 - 1, np.uint64))),
        "y_test has 5 labels outside 0 to 99999: 18446744073709551615",
    ),
    "one number as labels": (array_case("y_train", saved(np.int64(3))), r"not int64 \(\)"),
    "a name with a line end": (
        array_case("class_names", saved(np.array(["a", "b\nc", "d"]))),
        r"class_names has class names that are not one line of text: b\\nc; rename them",
    ),
    "a name that clears the screen": (
        array_case("class_names", saved(np.array(["a", "\x1b[2J", "d"]))),
        r": \\x1b\[2J; r",
    ),
    "nothing": (lambda folder: (folder / "a.npz").write_bytes(b""), UNREADABLE),
    "a terabyte of nothing": (lambda folder: sparse(folder / "a.npz"), UNREADABLE),
    "a pipe": (lambda folder: os.mkfifo(folder / "a.npz"), r"array file a\.npz is no file; path: must be a \.npz"),
    "a device": (lambda folder: (folder / "a.npz").symlink_to("/dev/zero"), r"array file a\.npz is no file"),
    "a folder": (lambda folder: (folder / "a.npz").mkdir(), r"array file a\.npz is no file"),
    "a link to itself": (lambda folder: (folder / "a.npz").symlink_to("a.npz"), r"array file a\.npz does not exist"),
}  # fmt: skip


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays(case, tmp_path):
    make, sentence = ARRAYS[case]
    make(tmp_path)
    said = refused(tmp_path, *convert_words({"source": "arrays", "path": "a.npz"}))
    assert re.search(sentence, said), said


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_honest_headers_of_every_version_are_read(version, how, tmp_path):
    """The caution above takes nothing from those who write arrays with other programs."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 6, 7, 3), np.uint8)
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, pixels, version=version)
    with_member(npz(tmp_path / "a.npz"), "x_train", buffer.getvalue(), how)
    assert call(tmp_path, *convert_words({"source": "arrays", "path": "a.npz", "val": 2})).code == 0
    parts = [np.load(tmp_path / "results/tasks/toy" / part / "images.npy") for part in ("train", "val")]
    assert sorted(image.tobytes() for part in parts for image in part) == sorted(image.tobytes() for image in pixels)


def test_columns_first_arrays_are_turned_in_memory_only_while_they_fit(tmp_path, monkeypatch):
    npz(tmp_path / "a.npz", x_train=np.asfortranarray(np.zeros((12, 6, 7, 3), np.uint8)))
    monkeypatch.setattr("subtuning.tasks.sources.arrays._LARGEST_TURNED", 1511)
    said = refused(tmp_path, *convert_words({"source": "arrays", "path": "a.npz"}))
    assert said == "error: a.npz: x_train is stored column by column; save np.ascontiguousarray of it"
    monkeypatch.setattr("subtuning.tasks.sources.arrays._LARGEST_TURNED", 1512)
    assert call(tmp_path, *convert_words({"source": "arrays", "path": "a.npz"})).code == 0
