"""A converted task on disk: what `convert_task` writes and everything downstream reads. Needs NumPy only."""

import hashlib
import json
import threading
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from subtuning.errors import UserError
from subtuning.tasks.copies import same_images
from subtuning.tasks.labels import label_counts
from subtuning.tasks.source import PARTS
from subtuning.tasks.splits import folds
from subtuning.tasks.stored import StoredImages

_CHUNK = 1 << 22
_OPENING = threading.Lock()
"""NumPy reads a file's header with Python's parser, which CPython 3.11 breaks off with "AST constructor recursion depth
mismatch" when two threads are in it. Groups of lanes are trained in threads, so they open their images in turn."""
_KEYS = {"name": str, "classes": list, "counts": dict, "label_counts": dict, "image_size": list, "sha256": str}


@dataclass(frozen=True)
class Task:
    """A converted task.

    Attributes:
        image_size: (H, W, C).
        counts: numbers of images in train, val and test.
        multilabel: whether an image may have several labels, or none.
    """

    name: str
    classes: tuple[str, ...]
    sha256: str
    image_size: tuple[int, int, int]
    counts: dict[str, int]
    path: Path
    multilabel: bool = False

    def part(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Images (uint8 N x H x W x C, memory-mapped, read-only) and labels of `train`, `val` or `test`.

        Labels are int64 N; of a multi-label task uint8 N x C, 1 for each label that an image has.
        """
        folder = self.path / name
        with _OPENING:
            return np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "labels.npy")

    def names(self, part: str) -> list[str | int]:
        """What the N images of a part are called, in their order: files as the source has them, or other names by which
        their photo is found there. The row, from 0, where a version without names converted the task.

        Raises:
            UserError: names.json is damaged.
        """
        file, rows = self.path / "names.json", list(range(self.counts[part]))
        try:
            names = json.loads(file.read_text(encoding="utf-8"))
            # of another content: a version without names has converted the task again
            return names[part] if names["sha256"] == self.sha256 and len(names[part]) == len(rows) else rows
        except FileNotFoundError:
            return rows
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{file} is damaged; convert the task again") from None

    def stored(self, *parts: str) -> tuple[StoredImages, np.ndarray]:
        """The images of some parts, one part after another, which stay on the disk until they are read; the labels."""
        files = [self.path / part / "images.npy" for part in parts]
        with _OPENING:
            return StoredImages(files), np.concatenate([np.load(self.path / part / "labels.npy") for part in parts])

    def folds(self, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """`k` stratified folds of train and val, one after the other: (training indices, held-out indices) of each.

        Copies share a fold. Raises `UserError` when there are too few images.
        """
        with _OPENING:
            return list(_folds(self.path, self.sha256, k))


@lru_cache(maxsize=16)
def _folds(path: Path, sha256: str, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The folds, made once a process; `sha256` is there to forget them when the content changes."""
    labels = np.concatenate([np.load(path / name / "labels.npy") for name in ("train", "val")])
    same = _same_trainval(path, sha256)
    return folds(labels, k, same=None if np.array_equal(same, np.arange(len(same))) else same)


@cache
def _same_trainval(path: Path, sha256: str) -> np.ndarray:
    """`same_images` of train and val, read once a process; `sha256` is there to forget it when the content changes."""
    return same_images(path, ("train", "val"))


def load_task(path: Path) -> Task:
    """Open the converted task in folder `path` and check that its files fit `task.json`.

    Shapes, types, file sizes and all labels are checked, pixels are not (see `check_content`). Raises `UserError`.
    """
    path = Path(path)
    facts = read_facts(path)
    for part in PARTS:
        _check_part(path / part, facts, part)
    return Task(
        name=facts["name"],
        classes=tuple(facts["classes"]),
        sha256=facts["sha256"],
        image_size=tuple(facts["image_size"]),
        counts={part: facts["counts"][part] for part in PARTS},
        path=path,
        multilabel=facts.get("multilabel", False),
    )


def read_facts(path: Path) -> dict:
    """The content of `task.json` in folder `path`. Raises `UserError` if it is missing or damaged."""
    file = Path(path) / "task.json"
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file} is missing: the task has not been converted (or not to its end); convert it") from None
    except (ValueError, RecursionError):
        raise UserError(f"{file} is not valid JSON; convert the task again") from None
    lacking = [
        key for key, kind in _KEYS.items() if not isinstance(facts, dict) or not isinstance(facts.get(key), kind)
    ]
    if lacking or any(set(PARTS) - facts[key].keys() for key in ("counts", "label_counts")):
        raise UserError(f"{file} is damaged ({', '.join(lacking) or 'parts'} missing); convert the task again")
    return facts


def check_content(path: Path) -> Task:
    """`load_task`, and hash every pixel and label again. Raises `UserError` if they are not those of `task.json`."""
    task = load_task(path)
    if content_hash(task.path, task.classes) != task.sha256:
        raise UserError(f"{task.path} does not hold what its task.json says (sha256 differs); convert the task again")
    return task


def write_names(path: Path, sha256: str, names: dict[str, list[str]]) -> None:
    """Write the images' names (see `Task.names`) of all parts of the task in folder `path` with this content hash."""
    (path / "names.json").write_text(json.dumps({"sha256": sha256, **names}, indent=0) + "\n", encoding="utf-8")


def content_hash(path: Path, classes: tuple[str, ...]) -> str:
    """SHA-256 over class names and all parts' shapes, labels and pixels; free of path, name and date."""
    digest = hashlib.sha256(json.dumps(list(classes)).encode())
    for part in PARTS:
        for name in ("labels.npy", "images.npy"):
            with (Path(path) / part / name).open("rb") as file:
                shape, _, dtype = _header(file)
                digest.update(f"\n{part}/{name} {shape} {dtype.str}\n".encode())
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
    return digest.hexdigest()


def _header(file) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _check_part(folder: Path, facts: dict, part: str) -> None:
    count = facts["counts"][part]
    _check_array(folder / "images.npy", (count, *facts["image_size"]), np.dtype("|u1"))
    classes, several = len(facts["classes"]), facts.get("multilabel", False)
    shape, kind = ((count, classes), "|u1") if several else ((count,), "<i8")
    _check_array(folder / "labels.npy", shape, np.dtype(kind))
    labels = np.load(folder / "labels.npy")
    found = label_counts(labels, classes) if _in_range(labels, 2 if several else classes) else None
    if found != facts["label_counts"][part]:
        raise UserError(f"{folder / 'labels.npy'} does not hold the labels of task.json; convert the task again")


def _check_array(file: Path, shape: tuple[int, ...], dtype: np.dtype) -> None:
    try:
        with file.open("rb") as handle:
            found = _header(handle)
            start = handle.tell()
    except FileNotFoundError:
        raise UserError(f"{file} is missing; convert the task again") from None
    except Exception:  # NumPy reads a header as Python; what is none has all of Python's exceptions
        raise UserError(f"{file} is not a NumPy array; convert the task again") from None
    if found != (shape, False, dtype):
        raise UserError(
            f"{file} holds {found[2]} {found[0]}, but task.json says {dtype} {shape}; convert the task again"
        )
    expected, size = start + int(np.prod(shape)) * dtype.itemsize, file.stat().st_size
    if size != expected:
        raise UserError(f"{file} has {size:,} bytes instead of {expected:,}; convert the task again")


def _in_range(labels: np.ndarray, classes: int) -> bool:
    return bool(((labels >= 0) & (labels < classes)).all())
