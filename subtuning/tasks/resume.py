"""What of a conversion is on the disk for good, so that one that was killed goes on where it was."""

import json
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from subtuning.errors import UserError
from subtuning.tasks.write import Rows

SECONDS = 5.0
"""Between two savings: so much work is lost by `kill -9` at most. Each waits for the disk, in a thread of its own."""


class Finished:
    """The images of each part that are written, in a file beside them.

    A mark is saved after its image was flushed to the disk: not even a power cut leaves a mark without an image.

    Args:
        folder: where the task is written; emptied, unless a conversion with the same `key` has left it.
        shapes: (N, H, W, C) of each part's images.

    Attributes:
        rows: for each part which of its N images are written.
        doubts: what is odd about pictures -> their names.
    """

    def __init__(self, folder: Path, key: str, shapes: Mapping[str, tuple[int, int, int, int]]):
        self.folder, self.key, self.shapes = folder, key, dict(shapes)
        self.rows = {part: np.zeros(shape[0], bool) for part, shape in shapes.items()}
        self.doubts: dict[str, set[str]] = {}
        if not self._load(shapes):
            shutil.rmtree(folder, ignore_errors=True)
            for part in shapes:
                (folder / part).mkdir(parents=True)

    @property
    def count(self) -> int:
        """How many images are written."""
        return sum(int(rows.sum()) for rows in self.rows.values())

    @contextmanager
    def saved(self, images: Mapping[str, Rows]) -> Iterator[None]:
        """Save every few seconds while inside, and at the end."""
        ended = threading.Event()

        def save() -> None:
            while not ended.wait(SECONDS):
                self._save(images)

        thread = threading.Thread(target=save, name="finished")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._save(images)

    def _save(self, images: Mapping[str, Rows]) -> None:
        rows = {part: rows.copy() for part, rows in self.rows.items()}  # before the flush, which must include them
        with suppress(OSError):  # a full disk stops the writing itself, which says so
            for part in images.values():
                part.flush()
            content = {"key": self.key, "doubts": {doubt: sorted(names) for doubt, names in list(self.doubts.items())}}
            content |= {"rows": {part: np.packbits(found).tobytes().hex() for part, found in rows.items()}}
            aside = self.folder / ".finished.json"
            aside.write_text(json.dumps(content), encoding="utf-8")
            aside.replace(self.folder / "finished.json")

    def _load(self, shapes: Mapping[str, tuple[int, int, int, int]]) -> bool:
        """Take up what an earlier conversion has left; whether there is anything that fits."""
        try:
            content = json.loads((self.folder / "finished.json").read_text(encoding="utf-8"))
            for part, shape in shapes.items():
                bits = np.frombuffer(bytes.fromhex(content["rows"][part]), np.uint8)
                self.rows[part] = np.unpackbits(bits, count=shape[0]).astype(bool)
                # missing, or other: it was killed while it dropped copies, or while it put the files in their place
                if np.load(self.folder / part / "images.npy", mmap_mode="r").shape != shape:
                    raise ValueError
            self.doubts = {doubt: set(names) for doubt, names in content["doubts"].items()}
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):  # whatever a file may hold
            content = {"key": None}
        if content["key"] != self.key:
            self.rows, self.doubts = {part: np.zeros(shape[0], bool) for part, shape in shapes.items()}, {}
            return False
        return True


@contextmanager
def begun(out: Path) -> Iterator[Path]:
    """The path of a hidden folder beside `out` to convert in (see `Finished`).

    It stays when the process is killed or interrupted, and is removed after an error, which no second try mends.
    What the system refuses meanwhile becomes a `UserError` that names `out`.
    """
    partial = out.with_name(f".{out.name}.partial")
    try:
        yield partial
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise UserError(f"{out} cannot be written: {error.strerror or error}") from error
    except Exception:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(partial, ignore_errors=True)
