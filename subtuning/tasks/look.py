"""A look at images that nobody has written a config for: what they are, how many, of which sizes, and what is odd."""

import re
import tempfile
import time
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from subtuning.config import parse_entry
from subtuning.config.tasks import TaskEntry
from subtuning.errors import UserError, listed
from subtuning.paths import not_expanded
from subtuning.tasks.convert import convert_source, open_source
from subtuning.tasks.images import ImageError, image_size
from subtuning.tasks.source import PARTS, Source
from subtuning.tasks.task import read_facts

TABLES = (".csv", ".tsv")
LISTS = ("train800.txt", "train.txt", "train800val200.txt")
MEASURED = 2_000
"""Pictures whose size is read at most."""

SMALL = 10
"""Images of a class in train and val below which its recall says little."""

SECONDS_OF_READING = 60.0
"""What all pictures may take to be read whole; beyond that only the workflow's conversion does it."""

SAMPLE = 24
"""Pictures that are read to tell how long all take."""


@dataclass(frozen=True)
class Look:
    """What was seen.

    Attributes:
        entry: the task's entry in a config, as plain values.
        counts: numbers of images in train, val and test; `classes`: in all parts, by class.
        sizes: what sizes the images have, in words; `side`: the shorter side of the middle one, in pixels.
        image_size: (H, W, C) as stored.
        warnings: sentences.
        read: whether every picture was read to its end.
    """

    entry: dict[str, Any]
    counts: dict[str, int]
    classes: dict[str, int]
    sizes: str
    side: int
    channels: int
    warnings: list[str]
    read: bool


def entry_of(data: Path, images: Path | None = None) -> dict[str, Any]:
    """The config's entry for what lies at a path: a folder of class folders or of lists, a table, an array file.

    Raises:
        UserError: nothing is there, or nothing that a task can be read from.
    """
    if not data.exists():
        raise UserError(f"{data} does not exist{not_expanded(data)}; name a folder of images, a .csv or a .npz file")
    if data.is_dir():
        lists = any((data / name).is_file() for name in LISTS)
        return {"source": "image_list" if lists else "folder", "path": str(data)}
    if data.suffix.lower() == ".npz":
        return {"source": "arrays", "path": str(data)}
    if data.suffix.lower() in TABLES:
        return {"source": "csv", "path": str(data), "images": str(images or data.parent)}
    raise UserError(
        f"{data} is no folder, .csv, .tsv or .npz file; put images into one subfolder a class, or list them in a .csv"
    )


def task_name(data: Path) -> str:
    """A name for the task from that of its folder or file, of what names may have."""
    word = re.sub(r"[^A-Za-z0-9_.-]+", "_", data.resolve().stem if data.is_file() else data.resolve().name)
    return re.sub(r"^[^A-Za-z0-9]+", "", word)[:64].rstrip("._-") or "mine"


def look(entry: Mapping[str, Any], progress: bool = False) -> Look:
    """Read what the workflow would read. Raises `UserError` for whatever would stop the workflow's conversion."""
    spec = parse_entry(TaskEntry, entry, "init")
    source = open_source(spec, workers=4, progress=progress)
    counts = {part: len(source.labels[part]) for part in PARTS}
    number = np.bincount(np.concatenate([source.labels[part] for part in PARTS]), minlength=len(source.classes))
    sizes, side = _sizes(source)
    warnings, read = _read_whole(source, spec)
    return Look(
        entry=dict(entry),
        counts=counts,
        classes=dict(zip(source.classes, number.tolist(), strict=True)),
        sizes=sizes,
        side=side,
        channels=source.channels,
        warnings=[*warnings, *_small_classes(source)],
        read=read,
    )


def _sizes(source: Source) -> tuple[str, int]:
    if source.image_size:
        height, width, _ = source.image_size
        return f"all {width} x {height} pixels", min(height, width)
    paths = [item.payload for item in source.items() if isinstance(item.payload, Path)]
    chosen = [paths[int(place)] for place in np.linspace(0, len(paths) - 1, min(len(paths), MEASURED))]
    found = sorted((image_size(path) for path in chosen), key=lambda size: size[0] * size[1])
    (h0, w0), (h1, w1), (h2, w2) = found[0], found[len(found) // 2], found[-1]
    return f"from {w0} x {h0} to {w2} x {h2} pixels, {w1} x {h1} in the middle", min(h1, w1)


def _small_classes(source: Source) -> list[str]:
    labels = np.concatenate([source.labels["train"], source.labels["val"]])
    learned = np.bincount(labels, minlength=len(source.classes))
    few = [f"{source.classes[i]} ({learned[i]})" for i in np.flatnonzero((learned > 1) & (learned < SMALL))]
    if few:
        return [f"{len(few)} classes have fewer than {SMALL} images to learn from: {listed(few)}"]
    return []


def _read_whole(source: Source, spec: Any) -> tuple[list[str], bool]:
    """What is odd, and whether every picture was read: then broken ones and copies are known."""
    if not _is_quick(source):
        return list(source.warnings), False
    said = StringIO()
    with tempfile.TemporaryDirectory() as folder:
        with redirect_stderr(said):
            convert_source("init", source, spec, Path(folder) / "task", workers=4, progress=False)
        read_facts(Path(folder) / "task")
    lines = said.getvalue().splitlines()
    return [line.removeprefix("warning: ").removeprefix("task init: ") for line in lines], True


def _is_quick(source: Source) -> bool:
    every = sum(map(len, source.labels.values()))
    begun, number = time.perf_counter(), 0
    for number, item in enumerate(source.items(), 1):
        if source.decode and not isinstance(item.payload, np.ndarray):
            try:
                np.asarray(source.decode(item.payload))
            except ImageError:  # all that cannot be read are named together
                return True
        if number == SAMPLE:
            break
    return (time.perf_counter() - begun) / max(number, 1) * every < SECONDS_OF_READING
