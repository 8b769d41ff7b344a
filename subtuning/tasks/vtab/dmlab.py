"""DMLab: TFRecord files of tf.train.Example messages, read without TensorFlow."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from subtuning.errors import UserError
from subtuning.tasks.vtab.files import damaged, members
from subtuning.tasks.vtab.raw import Raw, Wanted

_SPLITS = ("train", "validation", "test")
CLASSES = tuple(str(label) for label in range(6))
"""The published labels: {close, far, very far} x {positive, negative reward}, in an order left open upstream."""


def records(file: IO[bytes]) -> Iterator[bytes]:
    """The messages of a TFRecord stream: length (uint64), checksum of it (uint32), message, checksum (uint32).

    The checksums are not compared: the archive's own SHA-256 covers them. Raises `EOFError` if a record is cut.
    """
    while head := file.read(12):
        length = int.from_bytes(head[:8], "little")
        body = file.read(length + 4) if len(head) == 12 and length < 1 << 30 else b""
        if len(body) != length + 4:
            raise EOFError("a TFRecord ends early")
        yield body[:-4]


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of a protocol buffer message with varints and length-delimited fields only."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        value, at = _varint(message, at)
        if tag & 7 == 2:
            value, at = message[at : at + value], at + value
        elif tag & 7 != 0:
            raise ValueError(f"wire type {tag & 7}")
        if at > len(message):
            raise ValueError("a field ends early")
        yield tag >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64 and at < len(message):
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("a number ends early")


def parse_example(message: bytes) -> dict[str, bytes | int]:
    """The features of a tf.train.Example, one byte string or one integer each. Raises `ValueError` for anything else.

    The messages nest: Example.features (1) . feature (1), a map of key (1) to Feature (2), whose bytes_list (1) or
    int64_list (3) holds value (1); packed integers are one length-delimited field (tensorflow/core/example/*.proto).
    """
    features = {}
    for _, group in _fields(message):
        for _, entry in _fields(group):
            pair = dict(_fields(entry))
            ((kind, values),) = _fields(pair[2])
            ((_, value),) = _fields(values)
            if kind == 3 and isinstance(value, bytes):
                value, _ = _varint(value, 0)
            features[pair[1].decode()] = value
    return features


def _examples(path: Path) -> Iterator[tuple[str, dict]]:
    """(split, features) of every example of the archive, or of the folder of unpacked files, in stored order."""
    for member in members(path):
        name = PurePosixPath(member.name).name
        split = next((split for split in _SPLITS if name.startswith(f"dmlab-{split}.tfrecord")), None)
        if split is None:
            continue
        try:
            with member.open() as file:
                for message in records(file):
                    example = parse_example(message)
                    yield split, {key: example[key] for key in ("filename", "label", "image")}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path}: {member.name} does not hold DMLab's examples ({str(error)[:60]})") from None


def dmlab(files: dict[str, Path], scaled: bool) -> Raw:
    """DMLab frames 360 x 480, JPEG; key = the example's `filename` (bytes). The archive is read twice, as a stream."""
    path = files["dmlab.tar.gz"]
    keys, labels = {split: [] for split in _SPLITS}, {split: [] for split in _SPLITS}
    with damaged(path):
        for split, example in _examples(path):
            keys[split].append(example["filename"])
            labels[split].append(example["label"])

    def read(wanted: Wanted) -> Iterator:
        seen = dict.fromkeys(_SPLITS, 0)
        with damaged(path):
            for split, example in _examples(path):
                i = seen[split]
                seen[split] += 1
                if split in wanted and wanted[split][i]:
                    yield split, i, example["image"]

    return Raw(keys, {split: np.array(values, np.int64) for split, values in labels.items()}, read, CLASSES)
