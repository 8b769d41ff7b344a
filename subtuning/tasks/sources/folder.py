"""`source: folder`: one subfolder a class, perhaps below `train/`, `val/`, `test/`."""

import os
from pathlib import Path

import numpy as np

from subtuning.errors import UserError, listed
from subtuning.tasks.fingerprint import MAX_DEPTH
from subtuning.tasks.images import EXTENSIONS
from subtuning.tasks.parts import consecutive, divide, find_parts
from subtuning.tasks.source import PARTS, Source, check_classes
from subtuning.tasks.sources.files import file_source, missing


def open_source(spec, workers: int = 1, progress: bool = False) -> Source:
    """Classes are the sorted names of the subfolders; images are found at any depth below them, sorted by path.

    Subfolders whose names mean parts (`Training`, `valid` ...; see `find_parts`) hold the classes of those parts.
    """
    root = Path(spec.path)
    if not root.is_dir():
        raise missing("task folder", root, "path: must be a folder with one subfolder a class")
    names = [folder.name for folder in _subfolders(root)]
    parts, warnings = find_parts(names, str(root))
    others = [name for name in names if name not in parts.values()]
    # One class may well be called `train` or `test`; it is a part only beside another one, or alone.
    presplit = ("train" in parts and len(parts) > 1) or (parts and not others)
    if presplit:
        _check_parts(root, parts, others)
    else:
        parts, warnings = {"train": ""}, []
    ignored: list[str] = []
    seen: dict[Path, Path] = {}
    found = {part: _classes(root / parts[part], ignored, seen, not presplit) for part in PARTS if part in parts}
    classes = tuple(found["train"])
    for part, own in found.items():
        if unknown := [name for name in own if name not in classes]:
            have = f"classes that {parts['train']}/ has not: {listed(unknown)}"
            raise UserError(f"{root / parts[part]} has {have}; use the same names")
    files = {
        part: [(path, i) for i, name in enumerate(classes) for path in own.get(name, ())] for part, own in found.items()
    }
    labels = np.array([label for own in files.values() for _, label in own], np.int64)
    rows = divide(labels, spec, str(root), consecutive({part: len(own) for part, own in files.items()}))
    if ignored:
        warnings.append(f"{root}: {len(ignored)} files that are not images are ignored: {listed(ignored, 5)}")
    paths = [path for own in files.values() for path, _ in own]
    return file_source(root, classes, paths, labels, rows, workers, progress, warnings, ignored_files=len(ignored))


def _check_parts(root: Path, parts: dict[str, str], others: list[str]) -> None:
    shown = listed(f"{name}/" for name in parts.values())
    if others:
        train = parts["train"]
        raise UserError(f"{root} has {train}/ and also {listed(others)}; keep only {train}/, val/ and test/ in it")
    if "train" not in parts:
        raise UserError(f"{root} has {shown} but no train/; add train/")
    if "test" not in parts:
        raise UserError(f"{root} has {shown} but no test/; add test/, or move what is in {shown} up into {root}")


def _classes(folder: Path, ignored: list[str], seen: dict[Path, Path], root: bool) -> dict[str, list[Path]]:
    """Name -> image files of the classes below `folder`. What is read is noted in `ignored` and `seen`."""
    found = {}
    for sub in _subfolders(folder):
        files = find_files(sub, folder, seen)
        found[sub.name] = [file for file in files if is_image(file)]
        ignored += [str(file.relative_to(folder)) for file in files if not is_image(file)]
    ignored += [entry.name for entry in sorted(folder.iterdir()) if entry.is_file() and not entry.name.startswith(".")]
    if not found:
        raise UserError(f"{folder} has no subfolders; it needs one subfolder of images for each class")
    _check_level(folder, list(found), root)
    if empty := [name for name, files in found.items() if not files]:
        raise UserError(f"{folder} has class folders without images: {listed(empty)}; fill or remove them")
    check_classes(list(found), str(folder))
    return found


def _check_level(folder: Path, names: list[str], root: bool) -> None:
    """Folders that hold much the same folders again are parts, domains or folds: the classes are a level lower."""
    inner = [{sub.name.casefold() for sub in _subfolders(folder / name)} for name in names]
    shared, either = set.intersection(*inner), set.union(*inner)
    if (
        len(shared) < 2
        or 2 * len(shared) < len(either)
        or any(is_image(file) for name in names for file in (folder / name).iterdir())
    ):
        return
    if len(names) == 1:
        advice = f"use path: {folder / names[0]}" if root else f"move what is in that up into {folder}"
        raise UserError(f"{folder} holds only the folder {names[0]}; {advice}")
    raise UserError(
        f"{folder} has the same subfolders ({listed(sorted(shared), 3)}) in {listed(names, 3)}, so it is not clear "
        "which are the classes; let path: name a folder with one subfolder of images a class, or write a list "
        "(source: csv)"
    )


def is_image(file: Path) -> bool:
    """Whether a file's name ends as an image's."""
    return file.suffix.lower() in EXTENSIONS


def _subfolders(folder: Path) -> list[Path]:
    found = (entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return sorted(found, key=lambda path: path.name)


def find_files(folder: Path, root: Path, seen: dict[Path, Path]) -> list[Path]:
    """All files but hidden ones at any depth below `folder`, which is in `root`, sorted by path.

    Links that lead to each other would repeat images, or never end, and test images could be training images: what
    they lead to is noted in `seen`, and met twice it is a `UserError`, as is a link that holds itself.
    """
    files = []
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_raise):
        _check_new(Path(place), root, seen)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for inner in (Path(place, name) for name in folders):
            if inner.is_symlink() and inner.parent.resolve().is_relative_to(inner.resolve()):
                raise UserError(
                    f"{inner.relative_to(root)} in {root} is a link to a folder that holds it; remove the link"
                )
        files += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(files, key=lambda path: path.relative_to(root).parts)


def _raise(error: OSError) -> None:
    # os.walk would leave out a folder that may not be read, and nobody would know that images are missing.
    raise error


def _check_new(folder: Path, root: Path, seen: dict[Path, Path]) -> None:
    if len(folder.relative_to(root).parts) > MAX_DEPTH:
        raise UserError(f"{root} has more than {MAX_DEPTH} folders inside one another; move the images up")
    first = seen.setdefault(folder.resolve(), folder)
    if first != folder:
        raise UserError(f"{first} and {folder} are one folder, since a link leads to it; remove the link")
