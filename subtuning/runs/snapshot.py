"""The store as it is at one moment, for commands that look at many runs."""

import os
from typing import Any

from subtuning.runs.identity import Run
from subtuning.runs.store import Store


class Snapshot:
    """Lists a store's folders once and reads no record twice: thousands of missing runs cost no look at the disk."""

    def __init__(self, store: Store):
        self.store = store
        self.ids = _ids(store)
        self._read: dict[str, dict[str, Any] | None] = {}

    def get(self, run: Run) -> dict[str, Any] | None:
        """As `Store.get`."""
        if run.id not in self.ids:
            return None
        if run.id not in self._read:
            self._read[run.id] = self.store.get(run)
        return self._read[run.id]

    def others(self, most: int) -> list[dict[str, Any]]:
        """Some of the records that nobody asked for; they are of another config, recipe or version of the code."""
        unread = sorted(self.ids - self._read.keys())[:most]
        found = {run_id: self.store.record(run_id) for run_id in unread}
        self._read |= found
        return [record for record in found.values() if record is not None]

    def read(self) -> list[dict[str, Any]]:
        """The records that were asked for so far."""
        return [record for record in self._read.values() if record is not None]


def _ids(store: Store) -> set[str]:
    """The ids of all records, whole or not, from the names of their files."""
    if not store.folder.is_dir():
        return set()
    folders = [entry.path for entry in os.scandir(store.folder) if len(entry.name) == 2 and entry.is_dir()]
    names = (name for folder in folders for name in os.listdir(folder))  # noqa: PTH208, a Path a record is slow
    return {name.removesuffix(".json") for name in names if name.endswith(".json") and not name.startswith(".")}
