"""Whether the files of a local data set have changed, without reading them."""

import hashlib
import os
from pathlib import Path

MAX_DEPTH = 100
"""Folders inside one another that are read; a file system allows thousands, Python's walk does not."""


def task_files(spec) -> dict[str, Path]:
    """Key of a task's entry -> the user's file or folder; nothing for published archives and data in packages."""
    found = {key: getattr(spec, key, None) for key in ("path", "images")}
    return {key: Path(path) for key, path in found.items() if path}


def state(*files: Path | None) -> str:
    """The fingerprints of a user's files and folders; empty where there are none."""
    return "".join(fingerprint(file) for file in files if file)


def fingerprint(path: Path) -> str:
    """A hash over the names, sizes and modification times of a file, or of all files below a folder.

    Links are followed, as the conversion follows them, each folder once; those that lead back to a folder that holds
    them are not, nor is what is nested too deeply to be converted, nor, in the working folder, what a run of the
    workflow writes. Takes about a second for 100,000 files.
    """
    digest = hashlib.sha256()
    if path.is_file():
        return _line(path.name, path.stat())
    seen: set[Path] = set()
    for folder, subfolders, files in os.walk(path, followlinks=True):
        deep = len(Path(folder).relative_to(path).parts) >= MAX_DEPTH
        subfolders[:] = [] if deep else [name for name in sorted(subfolders) if _is_new(Path(folder, name), seen)]
        if Path(folder).absolute() == Path.cwd():
            subfolders[:] = [name for name in subfolders if name not in ("results", ".snakemake")]
        for name in sorted(files):
            file = Path(folder, name)
            try:
                digest.update(_line(str(file.relative_to(path)), file.stat()).encode(errors="surrogateescape"))
            except OSError:  # the link's target is missing, itself, or not ours to see
                digest.update(f"{name} is a broken link\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _is_new(folder: Path, seen: set[Path]) -> bool:
    """False for a link to a folder that holds the link, or that another link leads to: some lead to each other."""
    if not folder.is_symlink():
        return True
    try:
        target, here = folder.resolve(), folder.parent.resolve()
    except (OSError, RuntimeError):  # a link to itself
        return False
    if target in seen or here.is_relative_to(target):
        return False
    seen.add(target)
    return True


def _line(name: str, stat: os.stat_result) -> str:
    return f"{name} {stat.st_size} {stat.st_mtime_ns}\n"
