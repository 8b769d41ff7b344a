"""`source: vtab`: one of the 19 tasks of VTAB-1k, from the archives as they were published."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from subtuning.errors import UserError
from subtuning.tasks.source import Item, Source, check_classes, check_labels
from subtuning.tasks.vtab.files import need
from subtuning.tasks.vtab.order import Cut, Key, stored_order
from subtuning.tasks.vtab.raw import Raw
from subtuning.tasks.vtab.registry import BY_HAND, SOURCES, TASKS, Entry

SCALED = "scaled_down.json"
"""A `data_dir` with this file holds made-up, tiny data sets for tests: `{"train": 24, "val": 8}` replaces 800 and 200,
and published sizes and checksums are not expected. `task.json` then says `scaled_down`, and `verify` refuses it."""


def open_source(spec, workers: int = 1, progress: bool = False) -> Source:
    """Find and check the archives, read keys and labels, and select the official examples. Raises `UserError`."""
    entry, folder = TASKS[spec.name], Path(spec.data_dir) / TASKS[spec.name].data_set
    scaled = is_scaled_down(Path(spec.data_dir))
    raw, cuts = read_raw(entry, folder, scaled), entry.cuts
    if scaled:
        counts = json.loads((folder.parent / SCALED).read_text())
        cuts = {part: replace(cut, count=counts.get(part, cut.count)) for part, cut in cuts.items()}
    else:
        _check_sizes(folder, entry, raw)
    orders = {split: stored_order(split, keys) for split, keys in raw.keys.items()}
    rows = {part: cut.rows(orders[cut.split]) for part, cut in cuts.items()}
    citation, licence = SOURCES[entry.data_set]
    members = {part: describe_members(raw.keys[cut.split], rows[part]) for part, cut in cuts.items()}
    about = {"members": members, "citation": citation, "licence": licence, "group": entry.group}
    return Source(
        classes=check_classes(list(raw.classes), str(folder)),
        labels={
            part: check_labels(raw.labels[cut.split][rows[part]], len(raw.classes), f"{folder}: {cut.split}")
            for part, cut in cuts.items()
        },
        items=lambda: _items(raw, cuts, rows),
        image_size=entry.native,
        decode=entry.decode,
        channels=entry.native[2] if entry.native else 3,
        about=about | ({"scaled_down": True} if scaled else {}),
    )


def read_raw(entry: Entry, folder: Path, scaled: bool = False) -> Raw:
    """Open a data set in `folder`. Raises `UserError` that says what is missing and how to get it."""
    check_by_hand(entry, folder)
    files = {archive.file: need(folder, archive, check=not scaled) for archive in entry.files}
    return entry.reader(files, scaled)


def check_by_hand(entry: Entry, folder: Path) -> None:
    """Raise `UserError` with the steps to take if files that nobody may pass on are missing."""
    missing = [a.file for a in entry.files if not a.urls and not (folder / a.file).exists()]
    if missing:
        steps = BY_HAND[entry.data_set].format(folder=folder)
        raise UserError(f"{folder} lacks {', '.join(missing)}, which must be fetched by hand: {steps}")


def describe_members(keys: Sequence[Key], rows: np.ndarray) -> dict[str, object]:
    """The first keys of a part, for people, and a SHA-256 of all of them in order, for `verify_task`."""
    names = [_text(keys[i]) for i in rows]
    return {"first": names[:3], "sha256": hashlib.sha256("\n".join(names).encode()).hexdigest()}


def is_scaled_down(data_dir: Path) -> bool:
    """Whether `data_dir` holds made-up data for tests."""
    return (data_dir / SCALED).is_file()


def _check_sizes(folder: Path, entry: Entry, raw: Raw) -> None:
    wrong = [
        f"{split} has {len(raw.keys[split]):,} instead of {size:,}"
        for split, size in entry.sizes.items()
        if len(raw.keys[split]) != size
    ]
    if wrong:
        raise UserError(
            f"{folder} does not hold the published examples: {', '.join(wrong)}; remove it and fetch it again"
        )


def _items(raw: Raw, cuts: dict[str, Cut], rows: dict[str, np.ndarray]):
    wanted = {cut.split: np.zeros(len(raw.keys[cut.split]), bool) for cut in cuts.values()}
    places = defaultdict(list)
    for part, cut in cuts.items():
        wanted[cut.split][rows[part]] = True
        for row, i in enumerate(rows[part]):
            places[cut.split, int(i)].append((part, row))
    for split, i, payload in raw.read(wanted):
        for part, row in places[split, i]:
            yield Item(part, row, f"{split} {_text(raw.keys[split][i])}", payload)


def _text(key: Key) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)
