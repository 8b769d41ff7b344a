"""What of a results folder is not needed, and how it is removed."""

import os
import re
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from subtuning.config import load_config
from subtuning.errors import UserError
from subtuning.runs.store import has_current_numbers
from subtuning.workspace.paths import PARTIAL, Results
from subtuning.workspace.studies import snapshot_of, studies_of

SECONDS_UNTIL_LEFT_OVER = 3600
"""A half-written file that has not changed for so long is nobody's any more."""

HARMLESS = {
    "checkpoints": "saved states of runs that are finished",
    "partial": "files half-written by a killed process, unchanged for an hour",
    "tensorboard": "TensorBoard folders of runs without a record",
    "claims": "lock files that nobody holds",
    "outcomes": "models and probabilities of runs without a record",
}
"""What no training would have to make again."""

TRAINED = {
    "other-numbers": "records of other versions of the numbers (see CHANGELOG.md)",
    "unwanted": "records and saved states of runs that the config does not ask for",
}
"""What took time to train; removed only when named."""


@dataclass
class Found:
    """What could be removed: kind -> files and folders; why there is none; and what is spared because of links."""

    paths: dict[str, list[Path]]
    notes: dict[str, str] = field(default_factory=dict)
    outside: list[Path] = field(default_factory=list)


def find(results: Path, configs: Iterable[str], alive: set[str]) -> Found:
    """Look for everything that is not needed. Nothing is changed.

    Args:
        alive: the ids of runs that are being trained.

    Raises:
        UserError: a config that is not there or wrong: without it nobody knows what is wanted.
    """
    places = Results(results)
    store, wanted = places.store, _Wanted(results, configs)
    finished, other, unwanted = set(), set(), set()
    for record in store:
        finished.add(record["id"])
        if not has_current_numbers(record):
            other.add(record["id"])
        elif not wanted.has(record):
            unwanted.add(record["id"])
    curves = [path for path in places.tensorboard.glob("*/*/*/*") if re.search(r"-[0-9a-f]{6}$", path.name)]
    saves = list(places.checkpoints.glob("*.pt"))
    present = finished | alive
    found = Found({kind: [] for kind in HARMLESS | TRAINED})
    found.paths["checkpoints"] = [path for path in saves if path.stem in finished]
    found.paths["partial"] = [path for path in _partial(results) if _is_old(path)]
    found.paths["tensorboard"] = _of(curves, {path.name[-6:] for path in curves} - _short(present))
    found.paths["claims"] = [path for path in places.claims.glob("*.lock") if path.stem not in alive]
    outcomes = [*places.models.glob("*.safetensors"), *places.store.folder.glob("??/*.npy")]
    found.paths["outcomes"] = [path for path in outcomes if path.stem not in present]
    for kind, ids in (("other-numbers", other), ("unwanted", unwanted)):
        found.paths[kind] = [store.path(run_id) for run_id in sorted(ids)]
        found.paths[kind] += _of(curves, _short(ids) - _short(present - ids))
        found.paths[kind] += [path for path in outcomes if path.stem in ids]
    if wanted.unknown:
        found.notes["unwanted"] = wanted.unknown
    elif wanted.all_known:
        found.paths["unwanted"] += [path for path in saves if path.stem not in wanted.ids | present]
    return _without_links(found, results)


def _short(ids: set[str]) -> set[str]:
    """What the names of TensorBoard folders end with."""
    return {run_id[:6] for run_id in ids}


def _of(curves: list[Path], short: set[str]) -> list[Path]:
    return [path for path in curves if path.name[-6:] in short]


class _Wanted:
    """Which runs some configs ask for.

    Attributes:
        ids: those that are known. While a search goes on, every record of its task, backbone and recipe may be wanted.
        all_known: whether there are no others.
        unknown: why nothing can be told, else empty.
    """

    def __init__(self, results: Path, configs: Iterable[str]):
        self.ids: set[str] = set()
        self.all_known, self.unknown = True, ""
        self._searched: list[dict[str, Any]] = []
        for file in configs:
            config = load_config(file)
            for pair in studies_of(config, results, snapshot_of(config, results)):
                if pair.study is None:
                    self.unknown = f" (cannot be told before {'/'.join(pair.names)} is prepared for {file})"
                    return
                self.ids |= {run.id for step in pair.wanted.values() for run in step.runs}
                self.all_known &= not any(step.later for step in pair.wanted.values())
                if not pair.is_complete:
                    self._searched.append(_group(pair.study.base.identity()))

    def has(self, record: dict[str, Any]) -> bool:
        """Whether a record is, or may become, one of those."""
        return bool(self.unknown) or record["id"] in self.ids or _group(record["identity"]) in self._searched


def _group(identity: dict[str, Any]) -> dict[str, Any]:
    return {key: identity[key] for key in ("task", "backbone", "recipe", "numbers")}


def _partial(results: Path) -> list[Path]:
    return sorted({path for pattern in PARTIAL for path in results.glob(pattern)})


def _is_old(path: Path) -> bool:
    inside = path.rglob("*") if path.is_dir() and not path.is_symlink() else []
    return time.time() - max(entry.lstat().st_mtime for entry in (path, *inside)) > SECONDS_UNTIL_LEFT_OVER


def _without_links(found: Found, results: Path) -> Found:
    """Spare what is a link or is reached through one: it may be outside of the results folder."""
    root = results.resolve()
    for kind, paths in found.paths.items():
        safe = [path for path in paths if path.parent.resolve() == root / path.parent.relative_to(results)]
        safe = [path for path in safe if not path.is_symlink()]
        found.outside += [path for path in paths if path not in safe]
        found.paths[kind] = safe
    return found


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder, links not followed; 0 for what has vanished."""
    try:
        if not path.is_dir():
            return path.lstat().st_size
        return sum((Path(root) / name).lstat().st_size for root, _, names in os.walk(path) for name in names)
    except FileNotFoundError:
        return 0


def size_words(count: int) -> str:
    """A number of bytes as people read it: `0 B`, `1.5 kB`, `2.3 GB`."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"


def remove(paths: Iterable[Path], results: Path) -> None:
    for path in paths:
        try:
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix == ".lock":
                _remove_lock(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"{path} cannot be removed: {error.strerror}") from None
        for folder in path.parents:  # a folder that has become empty goes too, but none of those directly in results
            if results in folder.parents and folder.parent != results and not any(folder.iterdir()):
                folder.rmdir()
            else:
                break


def _remove_lock(path: Path) -> None:
    """Remove a lock file while holding it, unless somebody has just taken it."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(path, blocking=False):
            path.unlink(missing_ok=True)
    except Timeout:
        pass
