"""The store: a folder with one small JSON record for every finished run.

It is no declared output of any rule, because Snakemake deletes the outputs of failed jobs. A record is written in one
step (temporary file, flush to disk, rename), so whatever has the name of a record is whole.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtuning.errors import UserError
from subtuning.runs.identity import Run, canonical_json
from subtuning.runs.numbers import numbers_of

if TYPE_CHECKING:
    import numpy as np

FORMAT = 1
"""Of the records that this version writes. A record without one has format 1."""

NEEDED = {"names", "identity", "status", "metrics", "seconds"}
"""What tables read of a record. One that lacks any of them is no finished run and is trained again."""


class Store:
    """Finished runs in a folder such as `results/runs`.

    Attributes:
        with_probabilities: whether a run counts as finished only where it left its classes' probabilities too.
    """

    def __init__(self, folder: str | Path, with_probabilities: bool = False):
        self.folder, self.with_probabilities = Path(folder), with_probabilities

    def path(self, run_id: str) -> Path:
        """Where the record of a run is or would be; 256 subfolders keep each listing short."""
        return self.folder / run_id[:2] / f"{run_id}.json"

    def probabilities_path(self, run_id: str) -> Path:
        """Where the classes' probabilities of an evaluation run are or would be: N x C, float16, an .npy file."""
        return self.path(run_id).with_suffix(".npy")

    def probabilities(self, record: Mapping[str, Any]) -> "np.ndarray | None":
        """What an evaluation run gave each class: N x C, 0-1, float16, images in the order of the predictions.

        None where there is no file: the run diverged, is no evaluation run, or is of a version that kept none.

        Raises:
            UserError: the file is damaged.
        """
        import numpy as np

        path = self.probabilities_path(record["id"])
        try:
            found = np.load(path, allow_pickle=False)
            if len(found) == record["metrics"]["n"] and (abs(found.sum(1, dtype=np.float32) - 1) < 0.01).all():
                return found
        except FileNotFoundError:
            return None
        except (ValueError, EOFError, TypeError):  # cut off, or no array
            pass
        raise UserError(f"{path} is damaged; remove it and the record beside it, and the run is trained again")

    def get(self, run: Run) -> dict[str, Any] | None:
        """The record of a finished run (`done` or `diverged`), or None if it is not finished.

        It has the names that the task and the backbone have now, whatever they were called when it was trained.

        Raises:
            UserError: a later version of this package wrote it.
        """
        record = self.record(run.id)
        if record and record.get("format", FORMAT) != FORMAT:
            raise UserError(
                f"{self.path(run.id)} has format {record['format']}, and this version of subtuning reads format "
                f"{FORMAT}; use the version that wrote it, or another folder for results"
            )
        if not record or not record.keys() >= NEEDED:
            return None
        if self.with_probabilities and record["status"] == "done" and not self.probabilities_path(run.id).is_file():
            return None
        return {**record, "names": _names(run)}

    def record(self, run_id: str) -> dict[str, Any] | None:
        """The record with this id, or None where there is none that is whole."""
        try:
            record = json.loads(self.path(run_id).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):  # ValueError: cut off by a power failure before it reached the disk
            return None
        return record if isinstance(record, dict) and record.get("id") == run_id else None

    def missing(self, runs: Iterable[Run]) -> list[Run]:
        """Those runs that are not finished, each once, in the given order."""
        return [run for run in {run.id: run for run in runs}.values() if self.get(run) is None]

    def require(self, runs: Iterable[Run]) -> list[dict[str, Any]]:
        """The records of runs that must be finished.

        Raises:
            UserError: one is missing; the message says which.
        """
        records = []
        for run in runs:
            record = self.get(run)
            if record is None:
                raise UserError(f"run {run} (id {run.id}) is not in {self.folder}; train it first")
            records.append(record)
        return records

    def add(self, run: Run, result: dict[str, Any]) -> dict[str, Any]:
        """Write the record of a finished run, whole or not at all, and return it."""
        record = {"format": FORMAT, "id": run.id, "names": _names(run), "identity": run.identity(), **result}
        write_atomically(self.path(run.id), json.dumps(record, indent=1, allow_nan=False) + "\n")
        return record

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """All whole records of this version's format, in the order of their ids."""
        for path in sorted(self.folder.glob("??/*.json")):
            record = self.record(path.stem)
            if record and record.get("format", FORMAT) == FORMAT and record.keys() >= NEEDED:
                yield record

    def superseded(self, runs: Iterable[Run]) -> int:
        """How many of these runs are finished, but with another version of their numbers."""
        wanted = {_without_numbers(run.identity()) for run in runs}
        others = {_without_numbers(record["identity"]) for record in self if not has_current_numbers(record)}
        return len(wanted & others)


class Snapshot:
    """A store as it is at one moment, for commands that look at many runs: its folders are listed once and no record is
    read twice, so that thousands of missing runs cost no look at the disk."""

    def __init__(self, store: Store):
        self.store = store
        self._read: dict[str, dict[str, Any] | None] = {}
        files = (name for _, _, names in os.walk(store.folder) for name in names)
        self.ids = {name.removesuffix(".json") for name in files if name.endswith(".json") and name[0] != "."}

    def get(self, run: Run) -> dict[str, Any] | None:
        """As `Store.get`."""
        if run.id not in self.ids:
            return None
        if run.id not in self._read:
            self._read[run.id] = self.store.get(run)
        return self._read[run.id]

    def others(self, most: int) -> list[dict[str, Any]]:
        """Some of the records that nobody asked for; they are of another config, recipe or version of the code."""
        found = {run_id: self.store.record(run_id) for run_id in sorted(self.ids - self._read.keys())[:most]}
        self._read |= found
        return [record for record in found.values() if record is not None]

    def read(self) -> list[dict[str, Any]]:
        """The records that were asked for so far."""
        return [record for record in self._read.values() if record is not None]


def _names(run: Run) -> dict[str, str]:
    return dict(zip(("task", "backbone"), run.names, strict=True))


def has_current_numbers(record: dict[str, Any]) -> bool:
    """Whether a record's numbers are those that this version's code gives."""
    return record["identity"].get("numbers") == numbers_of(record["identity"])


def _without_numbers(identity: dict[str, Any]) -> str:
    return canonical_json({key: value for key, value in identity.items() if key != "numbers"})


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part; its folder is made if need be.

    Raises:
        OSError: it cannot be written, say because the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    except BaseException as error:
        Path(partial).unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = error.filename or str(path)  # a full disk does not say of itself which file it was
        raise
