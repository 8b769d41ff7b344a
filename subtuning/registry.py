"""What others can add from outside: one file each in a folder of this package, or an entry point of theirs.

An entry point is a line in the metadata of any installed package, or of a folder on PYTHONPATH (CONTRIBUTING.md).
"""

import sys
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoints, distributions
from pathlib import Path
from typing import Any

from subtuning.errors import UserError, did_you_mean, listed

FOLDERS = {
    "adapters": "tuning/adapters",
    "selectors": "search/selectors",
    "experiments": "search/experiments",
    "tables": "analysis/tables",
    "figures": "analysis/figures",
    "strategies": "training/strategies",
}
"""Kind -> the folder of this package that holds its files. The group of entry points is `subtuning.<kind>`."""


def names_of(kind: str) -> list[str]:
    """All names of a kind, those of this package first."""
    return list(_names(kind, tuple(sys.path)))


@lru_cache(maxsize=len(FOLDERS))
def _names(kind: str, path: tuple[str, ...]) -> list[str]:
    folder = Path(__file__).parent / FOLDERS[kind]
    own = sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_"))
    points = _points(path).select(group=f"subtuning.{kind}")
    return list(dict.fromkeys([*own, *(point.name for point in points)]))


@lru_cache(maxsize=1)
def _points(path: tuple[str, ...]) -> EntryPoints:
    """All entry points on a path: to find them, the metadata of every installed package is read."""
    return EntryPoints(point for package in distributions() for point in package.entry_points)


def find(kind: str, name: str, key: str = "") -> Any:
    """The module of this name; only this one is imported.

    Args:
        key: where the name was written, for the sentence about one that is not there.

    Raises:
        UserError: there is no such name.
    """
    folder = FOLDERS[kind]
    if name.isidentifier() and not name.startswith("_") and (Path(__file__).parent / folder / f"{name}.py").exists():
        return import_module(f"subtuning.{folder.replace('/', '.')}.{name}")
    for point in _points(tuple(sys.path)).select(group=f"subtuning.{kind}", name=name):
        return point.load()
    known = names_of(kind)
    where = f"{key}: " if key else ""
    raise UserError(
        f"{where}there is no {name!r} among the {kind}{did_you_mean(name, known) or '; there are ' + listed(known)}"
    )
