"""One image file in two parts of a task: however its path is spelled, that is a mistake and no matter of taste."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from posixpath import normpath

from subtuning.errors import UserError, listed
from subtuning.tasks.source import PARTS


def check_apart(where: Path, paths: Mapping[str, Iterable[str]]) -> None:
    """Raise `UserError` (beginning with `where`) if a path stands in two of the parts that `paths` maps to their paths.

    `im/0.png`, `./im/0.png` and `im//x/../0.png` are one path. Links are not followed: data sets that are stored as
    links to shared content may well reach one file from two parts, and equal pixels have a warning of their own.
    """
    seen: dict[str, tuple[str, str]] = {}
    shared = []
    for part in PARTS:
        for path in paths.get(part, ()):
            first = seen.setdefault(normpath(path), (part, path))
            if first[0] != part:
                spelled = "" if first[1] == path else f", there as {first[1]}"
                shared.append(f"{path} ({first[0]} and {part}{spelled})")
    if shared:
        raise UserError(f"{where}: images are in two parts at once: {listed(shared)}; no image may be in more than one")
