"""`source: folder`: one subfolder a class, perhaps below `train/`, `val/`, `test/`."""

import os
from pathlib import Path

import numpy as np

from subtuning.errors import UserError, listed
from subtuning.paths import not_expanded
from subtuning.tasks.fingerprint import MAX_DEPTH
from subtuning.tasks.images import EXTENSIONS
from subtuning.tasks.parts import divide, divide_train, find_parts
from subtuning.tasks.source import PARTS, Source, check_classes
from subtuning.tasks.sources.files import file_source


def open_source(spec, workers: int = 1, progress: bool = False) -> Source:
    """Classes are the sorted names of the subfolders; images are found at any depth below them, sorted by path.

    Subfolders whose names mean parts (`Training`, `valid` ...; see `find_parts`) hold the classes of those parts.
    """
    root = Path(spec.path)
    if not root.is_dir():
        wanted = "path: must be a folder with one subfolder a class"
        raise UserError(f"task folder {root} does not exist{not_expanded(root)}; {wanted}")
    names = [folder.name for folder in _subfolders(root)]
    parts, warnings = find_parts(names, str(root))
    others = [name for name in names if name not in parts.values()]
    ignored: list[str] = []
    seen: dict[Path, Path] = {}
    # One class may well be called `train` or `test`; it is a part only beside another one, or alone.
    if ("train" in parts and len(parts) > 1) or (parts and not others):
        classes, paths, labels, rows = _presplit(root, parts, others, spec, ignored, seen)
    else:
        classes, found = _classes(root, ignored, seen, root=True)
        paths, labels = _flat(found)
        rows, warnings = divide(labels, spec, str(root)), []
    if ignored:
        warnings.append(f"{root}: {len(ignored)} files that are not images are ignored: {listed(ignored, 5)}")
    return file_source(
        root,
        classes,
        {part: [paths[i] for i in rows[part]] for part in PARTS},
        {part: labels[rows[part]] for part in PARTS},
        workers,
        progress,
        {"ignored_files": len(ignored)},
        warnings,
    )


def _presplit(root: Path, parts: dict[str, str], others: list[str], spec, ignored: list[str], seen: dict[Path, Path]):
    shown = listed(f"{name}/" for name in parts.values())
    if others:
        train = parts["train"]
        raise UserError(f"{root} has {train}/ and also {listed(others)}; keep only {train}/, val/ and test/ in it")
    if "train" not in parts:
        raise UserError(f"{root} has {shown} but no train/; add train/")
    if "test" not in parts:
        raise UserError(f"{root} has {shown} but no test/; add test/, or move what is in {shown} up into {root}")
    classes, found = _classes(root / parts["train"], ignored, seen)
    paths, labels = _flat(found)
    rows = {"train": np.arange(len(labels))}
    for part in ("val", "test"):
        if part in parts:
            folder = root / parts[part]
            own, images = _classes(folder, ignored, seen)
            if unknown := [name for name in own if name not in classes]:
                have = f"classes that {parts['train']}/ has not: {listed(unknown)}"
                raise UserError(f"{folder} has {have}; use the same names")
            more, targets = _flat({name: images.get(name, []) for name in classes})
            rows[part] = np.arange(len(labels), len(labels) + len(targets))
            paths, labels = paths + more, np.concatenate([labels, targets])
    return classes, paths, labels, divide_train(rows, labels, spec, str(root))


def _classes(
    folder: Path, ignored: list[str], seen: dict[Path, Path], root: bool = False
) -> tuple[tuple[str, ...], dict[str, list[Path]]]:
    """The class names below `folder`, and each one's image files. What is read is noted in `ignored` and `seen`."""
    found = {sub.name: find_images(sub, folder, ignored, seen) for sub in _subfolders(folder)}
    ignored += [entry.name for entry in sorted(folder.iterdir()) if entry.is_file() and not _hidden(entry.name)]
    if not found:
        raise UserError(f"{folder} has no subfolders; it needs one subfolder of images for each class")
    _check_level(folder, list(found), root)
    empty = [name for name, files in found.items() if not files]
    if empty:
        raise UserError(f"{folder} has class folders without images: {listed(empty)}; fill or remove them")
    return check_classes(list(found), str(folder)), found


def _check_level(folder: Path, names: list[str], root: bool) -> None:
    """Folders that hold much the same folders again are parts, domains or folds: the classes are a level lower."""
    inner = [{sub.name.casefold() for sub in _subfolders(folder / name)} for name in names]
    shared, either = set.intersection(*inner), set.union(*inner)
    if len(shared) < 2 or 2 * len(shared) < len(either) or any(_has_images(folder / name) for name in names):
        return
    if len(names) == 1:
        advice = f"use path: {folder / names[0]}" if root else f"move what is in that up into {folder}"
        raise UserError(f"{folder} holds only the folder {names[0]}; {advice}")
    raise UserError(
        f"{folder} has the same subfolders ({listed(sorted(shared), 3)}) in {listed(names, 3)}, so it is not clear "
        "which are the classes; let path: name a folder with one subfolder of images a class, or write a list "
        "(source: csv)"
    )


def _has_images(folder: Path) -> bool:
    return any(path.suffix.lower() in EXTENSIONS for path in folder.iterdir())


def _flat(found: dict[str, list[Path]]) -> tuple[list[Path], np.ndarray]:
    paths = [path for files in found.values() for path in files]
    return paths, np.repeat(np.arange(len(found)), [len(files) for files in found.values()]).astype(np.int64)


def _subfolders(folder: Path) -> list[Path]:
    return sorted((entry for entry in folder.iterdir() if entry.is_dir() and not _hidden(entry.name)), key=_by_name)


def _by_name(path: Path) -> str:
    return path.name


def _hidden(name: str) -> bool:
    return name.startswith(".")


def find_images(folder: Path, root: Path, ignored: list[str], seen: dict[Path, Path]) -> list[Path]:
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
