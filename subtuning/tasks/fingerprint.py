"""Whether the files of a local data set have changed, without reading them."""

import hashlib
import os
from pathlib import Path

MAX_DEPTH = 100
"""Folders inside one another that are read; a file system allows thousands, Python's walk does not."""


def fingerprint(path: Path) -> str:
    """A hash over the names, sizes and modification times of a file, or of all files below a folder.

    Linked folders are not followed, nor those that are nested too deeply to be converted, nor, in the working folder,
    those that a run of the workflow writes to. Takes about a second for 100,000 files.
    """
    digest = hashlib.sha256()
    if path.is_file():
        return _line(path.name, path.stat())
    for folder, subfolders, files in os.walk(path):
        deep = len(Path(folder).relative_to(path).parts) >= MAX_DEPTH
        subfolders[:] = [] if deep else sorted(subfolders)
        if Path(folder).absolute() == Path.cwd():
            subfolders[:] = [name for name in subfolders if name not in ("results", ".snakemake")]
        for name in sorted(files):
            file = Path(folder, name)
            try:
                digest.update(_line(str(file.relative_to(path)), file.stat()).encode(errors="surrogateescape"))
            except OSError:  # the link's target is missing, itself, or not ours to see
                digest.update(f"{name} is a broken link\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _line(name: str, stat: os.stat_result) -> str:
    return f"{name} {stat.st_size} {stat.st_mtime_ns}\n"
