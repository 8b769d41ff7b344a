"""`source: folder`: one subfolder a class, perhaps below `train/`, `val/`, `test/`."""

import os
import sys
from pathlib import Path

import numpy as np

from subtuning.errors import UserError, listed, printable
from subtuning.paths import not_expanded
from subtuning.tasks.fingerprint import MAX_DEPTH
from subtuning.tasks.images import EXTENSIONS
from subtuning.tasks.source import PARTS, Source, check_classes
from subtuning.tasks.sources.files import file_source
from subtuning.tasks.splits import share_or_count, take


def open_source(spec, workers: int = 1, progress: bool = False) -> Source:
    """Classes are the sorted names of the subfolders; images are found at any depth below them, sorted by path."""
    root = Path(spec.path)
    if not root.is_dir():
        wanted = "path: must be a folder with one subfolder a class"
        raise UserError(f"task folder {root} does not exist{not_expanded(root)}; {wanted}")
    names = [folder.name for folder in _subfolders(root)]
    ignored: list[str] = []
    seen: dict[Path, Path] = {}
    if ("train" in names and set(names) & {"val", "test"}) or names == ["train"]:
        classes, files, labels = _presplit(root, names, spec, ignored, seen)
    else:
        classes, found = _classes(root, ignored, seen)
        paths, targets = _flat(found)
        test = share_or_count(spec.test, len(paths), "test")
        rest, chosen = take(targets, test, spec.split_seed, f"{root}: test")
        train, val = take(targets[rest], share_or_count(spec.val, len(paths), "val"), spec.split_seed, f"{root}: val")
        index = {"train": rest[train], "val": rest[val], "test": chosen}
        files = {part: [paths[i] for i in rows] for part, rows in index.items()}
        labels = {part: targets[rows] for part, rows in index.items()}
    if ignored:
        names = printable(listed(ignored, 5))
        print(f"{root}: {len(ignored)} files that are not images are ignored: {names}", file=sys.stderr)
    about = {"ignored_files": len(ignored)}
    return file_source(root, classes, files, labels, workers, progress, about)


def _presplit(root: Path, names: list[str], spec, ignored: list[str], seen: dict[Path, Path]):
    others = [name for name in names if name not in PARTS]
    if others:
        raise UserError(f"{root} has train/ and also {listed(others)}; keep only train/, val/ and test/ in it")
    if "test" not in names:
        raise UserError(f"{root} has train/ but no test/; add test/, or move what is in train/ up into {root}")
    classes, found = _classes(root / "train", ignored, seen)
    parts = {"train": _flat(found)}
    for part in sorted(set(names) - {"train"}):
        own, images = _classes(root / part, ignored, seen)
        unknown = [name for name in own if name not in classes]
        if unknown:
            raise UserError(f"{root / part} has classes that train/ has not: {listed(unknown)}; use the same names")
        parts[part] = _flat({name: images.get(name, []) for name in classes})
    if "val" not in parts:
        paths, targets = parts["train"]
        rows = take(targets, share_or_count(spec.val, len(paths), "val"), spec.split_seed, f"{root}: val")
        for part, chosen in zip(("train", "val"), rows, strict=True):
            parts[part] = [paths[i] for i in chosen], targets[chosen]
    return classes, {part: parts[part][0] for part in PARTS}, {part: parts[part][1] for part in PARTS}


def _classes(folder: Path, ignored: list[str], seen: dict[Path, Path]) -> tuple[tuple[str, ...], dict[str, list[Path]]]:
    """The class names below `folder`, and each one's image files. What is read is noted in `ignored` and `seen`."""
    found = {sub.name: _images(sub, folder, ignored, seen) for sub in _subfolders(folder)}
    ignored += [entry.name for entry in sorted(folder.iterdir()) if entry.is_file() and not _hidden(entry.name)]
    if not found:
        raise UserError(f"{folder} has no subfolders; it needs one subfolder of images for each class")
    empty = [name for name, files in found.items() if not files]
    if empty:
        raise UserError(f"{folder} has class folders without images: {listed(empty)}; fill or remove them")
    return check_classes(list(found), str(folder)), found


def _flat(found: dict[str, list[Path]]) -> tuple[list[Path], np.ndarray]:
    paths = [path for files in found.values() for path in files]
    return paths, np.repeat(np.arange(len(found)), [len(files) for files in found.values()]).astype(np.int64)


def _subfolders(folder: Path) -> list[Path]:
    return sorted((entry for entry in folder.iterdir() if entry.is_dir() and not _hidden(entry.name)), key=_by_name)


def _by_name(path: Path) -> str:
    return path.name


def _hidden(name: str) -> bool:
    return name.startswith(".")


def _images(folder: Path, root: Path, ignored: list[str], seen: dict[Path, Path]) -> list[Path]:
    """Image files at any depth below `folder`, sorted by path; what has another ending goes to `ignored`."""
    files = []
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_raise):
        place = Path(place)
        _check_new(place, root, seen)
        folders[:] = sorted(name for name in folders if not _hidden(name))
        for name in folders:
            _check_no_loop(place / name, root)
        for name in names:
            if _hidden(name):
                continue
            path = place / name
            (files if path.suffix.lower() in EXTENSIONS else ignored).append(path)
    ignored[:] = [str(path.relative_to(root)) if isinstance(path, Path) else path for path in ignored]
    return sorted(files, key=lambda path: path.relative_to(root).parts)


def _raise(error: OSError) -> None:
    # os.walk would leave out a folder that may not be read, and nobody would know that images are missing.
    raise error


def _check_new(folder: Path, root: Path, seen: dict[Path, Path]) -> None:
    """Links that lead to each other would repeat images, or never end, and test images could be training images."""
    if len(folder.relative_to(root).parts) > MAX_DEPTH:
        raise UserError(f"{root} has more than {MAX_DEPTH} folders inside one another; move the images up")
    first = seen.setdefault(folder.resolve(), folder)
    if first != folder:
        raise UserError(f"{first} and {folder} are one folder, since a link leads to it; remove the link")


def _check_no_loop(folder: Path, root: Path) -> None:
    target = folder.resolve()
    if folder.is_symlink() and folder.parent.resolve().is_relative_to(target):
        raise UserError(f"{folder.relative_to(root)} in {root} is a link to a folder that holds it; remove the link")
