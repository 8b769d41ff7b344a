"""`source: image_list`: a folder with the community's VTAB-1k lists, lines of `path label`."""

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import NamedTuple

import numpy as np

from subtuning.config.values import NUMBER_PATTERN
from subtuning.errors import UserError, listed
from subtuning.tasks.images import EXTENSIONS
from subtuning.tasks.parts import consecutive
from subtuning.tasks.source import PARTS, Source, check_classes, number_classes
from subtuning.tasks.sources.files import file_source, missing, read_text

NAMES = {"train": ("train800.txt", "train.txt"), "val": ("val200.txt", "val.txt"), "test": ("test.txt",)}
"""The community's names (see docs/vtab1k.md) and plain ones."""

BOTH = ("train800val200.txt", "trainval.txt")
"""Lists of train and val together; unused, but they must fit."""

MAX_CLASSES = 100_000

_LINE = re.compile(rf"(.+(?:{'|'.join(map(re.escape, sorted(EXTENSIONS)))}))\s+(\S.*)", re.IGNORECASE)
"""A path, which may hold blanks, and after its ending the label, which may hold blanks."""


class Entry(NamedTuple):
    """A line of a list: a path below its folder, and a class name or a number as text."""

    line: int
    path: str
    label: str

    def __str__(self) -> str:
        return f"line {self.line} ({f'{self.path} {self.label}'.strip()[:60]})"


def open_source(spec, workers: int = 1, progress: bool = False) -> Source:
    """Labels are class names, or whole numbers from 0.

    Classes are the lines of `classes.txt` if there is one, else the labels that occur.
    """
    root = Path(spec.path)
    if not root.is_dir():
        raise missing("task folder", root, "path: must be the folder with train800.txt and so on")
    lists = {part: _find(root, NAMES[part]) for part in PARTS}
    lacking = [" or ".join(NAMES[part]) for part in PARTS if lists[part] is None]
    if lacking:
        raise UserError(f"{root} lacks {listed(lacking)}; each part needs its list of lines 'path label'")
    entries = {part: read_list(file) for part, file in lists.items()}
    _check_apart(root, entries)
    for both in (root / name for name in BOTH if (root / name).is_file()):
        _check_both(both, entries)
    classes, labels, warnings = _classes(root, entries, lists)
    paths = [root / entry.path for part in PARTS for entry in entries[part]]
    rows = consecutive({part: len(entries[part]) for part in PARTS})
    return file_source(root, classes, paths, labels, rows, workers, progress, warnings)


def read_list(file: Path) -> list[Entry]:
    """The lines of a list file. Raises `UserError` that names wrong ones."""
    entries = []
    for number, line in enumerate(read_text(file, "lines 'path label'").splitlines(), 1):
        if line.strip():
            whole = _LINE.fullmatch(line.strip())
            path, label = whole.groups() if whole else line.strip().rpartition(" ")[::2]
            entries.append(Entry(number, path.strip(), label))
    if wrong := [entry for entry in entries if not entry.path]:
        raise UserError(f"{file} has lines that are not 'path label': {listed(wrong)}")
    outside = [
        f"line {entry.line} ({entry.path[:60]})"
        for entry in entries
        if PurePosixPath(entry.path).is_absolute() or ".." in PurePosixPath(entry.path).parts or "\0" in entry.path
    ]
    if outside:
        raise UserError(f"{file} names files outside its folder: {listed(outside)}; use paths below {file.parent}")
    if not entries:
        raise UserError(f"{file} is empty; it must hold lines 'path label'")
    return entries


def _find(root: Path, names: tuple[str, ...]) -> Path | None:
    found = [root / name for name in names if (root / name).is_file()]
    if len(found) > 1:
        raise UserError(f"{root} has both {found[0].name} and {found[1].name}; keep the one that is meant")
    return found[0] if found else None


def _check_apart(root: Path, entries: dict[str, list[Entry]]) -> None:
    """Raise `UserError` if an image stands in two parts, however its path is spelled: that is no matter of taste.

    Links are not followed: data sets that are stored as links to shared content may well reach one file from two parts,
    and equal pixels have a warning of their own.
    """
    seen: dict[str, tuple[str, str]] = {}
    shared = []
    for part in PARTS:
        for _, path, _ in entries[part]:
            first, spelled = seen.setdefault(normpath(path), (part, path))
            if first != part:
                there = "" if spelled == path else f", there as {spelled}"
                shared.append(f"{path} ({first} and {part}{there})")
    if shared:
        raise UserError(f"{root}: images are in two parts at once: {listed(shared)}; no image may be in more than one")


def _check_both(file: Path, entries: dict[str, list[Entry]]) -> None:
    # The community stores these images again, under other names and in another order: only labels can be compared.
    expected = sorted(label for part in ("train", "val") for _, _, label in entries[part])
    if sorted(label for _, _, label in read_list(file)) != expected:
        raise UserError(f"{file} does not hold the labels of the train and val lists together; correct or remove it")


def _classes(
    root: Path, entries: dict[str, list[Entry]], lists: dict[str, Path]
) -> tuple[tuple[str, ...], np.ndarray, list[str]]:
    """The classes, the labels of all parts (int64 N), and warnings."""
    names, file = None, root / "classes.txt"
    if file.is_file():
        lines = read_text(file, "one class name a line").rstrip().splitlines()
        names = check_classes([name.strip() for name in lines], str(file))
    labels = [entry.label for part in PARTS for entry in entries[part]]
    if not any(re.fullmatch(NUMBER_PATTERN, label) for label in labels):
        classes = names or check_classes(sorted(set(labels)), str(root))
        place = {name: i for i, name in enumerate(classes)}
        for part in PARTS:
            if unknown := sorted({entry.label for entry in entries[part]} - place.keys()):
                wrong = f"labels that are not in classes.txt: {listed(unknown)}"
                raise UserError(f"{lists[part]} has {wrong}; add or correct them")
        return classes, np.array([place[label] for label in labels], np.int64), []
    number = re.compile(r"[0-9]{1,9}")

    def refuse(wrong: Callable[[str], bool], what: str) -> None:
        for part in PARTS:
            if found := [entry for entry in entries[part] if wrong(entry.label)]:
                raise UserError(f"{lists[part]} has {what}: {listed(found)}")

    what = "lines that are not 'path label' with a label from 0"
    refuse(lambda label: not number.fullmatch(label) or int(label) >= MAX_CLASSES, what)
    numbers = np.array([int(label) for label in labels], np.int64)
    if names is None:
        return number_classes(numbers, str(root))
    what = f"labels above {len(names) - 1} (classes.txt has {len(names)} names, for labels from 0)"
    refuse(lambda label: int(label) >= len(names), what)
    return names, numbers, []
