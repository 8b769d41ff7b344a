"""`source: image_list`: a folder with the community's VTAB-1k lists, lines of `path label`."""

from pathlib import Path, PurePosixPath

import numpy as np

from subtuning.errors import UserError, listed
from subtuning.tasks.source import PARTS, Source, check_classes
from subtuning.tasks.sources.files import file_source, read_text

NAMES = {"train": ("train800.txt", "train.txt"), "val": ("val200.txt", "val.txt"), "test": ("test.txt",)}
"""The community's names (see docs/vtab1k.md) and plain ones."""

BOTH = ("train800val200.txt", "trainval.txt")
"""Lists of train and val together; unused, but they must fit."""

MAX_CLASSES = 100_000


def open_source(spec, workers: int = 1, progress: bool = False) -> Source:
    """Classes are the lines of `classes.txt` if there is one, else the numbers from 0 to the largest label."""
    root = Path(spec.path)
    if not root.is_dir():
        raise UserError(f"task folder {root} does not exist; path: must be the folder with train800.txt and so on")
    lists = {part: _find(root, NAMES[part]) for part in PARTS}
    missing = [" or ".join(NAMES[part]) for part in PARTS if lists[part] is None]
    if missing:
        raise UserError(f"{root} lacks {listed(missing)}; each part needs its list of lines 'path label'")
    entries = {part: read_list(file) for part, file in lists.items()}
    _check_apart(root, entries)
    for both in (root / name for name in BOTH if (root / name).is_file()):
        _check_both(both, entries)
    classes = _classes(root, entries, lists)
    labels = {part: np.array([label for _, label in entries[part]], np.int64) for part in PARTS}
    files = {part: [root / path for path, _ in entries[part]] for part in PARTS}
    return file_source(root, classes, files, labels, workers, progress, {})


def read_list(file: Path) -> list[tuple[str, int]]:
    """The (path, label) pairs of a list file. Raises `UserError` that names wrong lines."""
    entries, wrong, outside = [], [], []
    for number, line in enumerate(read_text(file, "lines 'path label'").splitlines(), 1):
        if not line.strip():
            continue
        path, _, label = line.strip().rpartition(" ")
        path = path.strip()
        if not path or not (label.isascii() and label.isdigit()) or len(label) > 9 or int(label) >= MAX_CLASSES:
            wrong.append(f"line {number} ({line.strip()[:60]})")
            continue
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\0" in path:
            outside.append(f"line {number} ({path[:60]})")
        entries.append((path, int(label)))
    if wrong:
        raise UserError(f"{file} has lines that are not 'path label' with a label from 0: {listed(wrong)}")
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


def _check_apart(root: Path, entries: dict[str, list[tuple[str, int]]]) -> None:
    seen: dict[str, str] = {}
    shared = []
    for part in PARTS:
        for path, _ in entries[part]:
            if seen.setdefault(path, part) != part:
                shared.append(f"{path} ({seen[path]} and {part})")
    if shared:
        raise UserError(f"{root}: images are in two parts at once: {listed(shared)}; no image may be in more than one")


def _check_both(file: Path, entries: dict[str, list[tuple[str, int]]]) -> None:
    # The community stores these images again, under other names and in another order: only labels can be compared.
    expected = sorted(label for part in ("train", "val") for _, label in entries[part])
    if sorted(label for _, label in read_list(file)) != expected:
        raise UserError(f"{file} does not hold the labels of the train and val lists together; correct or remove it")


def _classes(root: Path, entries: dict, lists: dict[str, Path]) -> tuple[str, ...]:
    highest = max(label for pairs in entries.values() for _, label in pairs)
    file = root / "classes.txt"
    if not file.is_file():
        return check_classes([str(i) for i in range(highest + 1)], str(root))
    names = read_text(file, "one class name a line").splitlines()
    for part in PARTS:
        wrong = [f"{path} {label}" for path, label in entries[part] if label >= len(names)]
        if wrong:
            raise UserError(f"{lists[part]} has labels above {len(names) - 1} (see classes.txt): {listed(wrong)}")
    return check_classes(names, str(file))
