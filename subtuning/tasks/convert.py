"""The conversion itself: a task's spec in, a folder of uint8 arrays and a `task.json` out."""

import hashlib
import importlib
import json
import platform
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing
from importlib.metadata import version
from pathlib import Path

import numpy as np

from subtuning.errors import UserError, listed, printable, trouble
from subtuning.tasks.copies import EXAMPLES, copy_sentences, count_copies, rows_to_keep, same_images
from subtuning.tasks.draws import draw
from subtuning.tasks.fingerprint import state, task_files
from subtuning.tasks.labels import label_codes, label_counts
from subtuning.tasks.resume import Finished, begun
from subtuning.tasks.source import PARTS, Item, Source, label_warnings
from subtuning.tasks.task import content_hash, write_names
from subtuning.tasks.write import Rows, check_space, keep_rows, publish, write_images

PACKAGES = ("subtuning", "numpy", "pillow", "scikit-learn", "h5py", "scipy")
"""Packages that may have a hand in the pixels; `task.json` holds their versions."""


def convert_task(
    name: str, spec, out: Path, *, workers: int = 1, progress: bool = True, base: Path | None = None
) -> None:
    """Convert the task `name` as `spec` (one of the entries of `subtuning.config.tasks`) says into folder `out`.

    Writes `{train,val,test}/images.npy` (uint8 N x H x W x C), `labels.npy` (int64 N, or uint8 N x C where an image may
    have several), `names.json` and, last, `task.json`. All is made in a hidden folder beside `out` first, so a failed
    or killed conversion leaves `out` as it was, and what a killed one had finished is not done again. One folder must
    not be converted by two processes at once (Snakemake takes care of that). `base` is the folder of the converted task
    that a corrupted one is made of. Raises `UserError`.
    """
    files = state(*task_files(spec).values())  # before they are read: an edit meanwhile makes it another one
    with warnings.catch_warnings():
        # Pillow warns about large pictures and odd metadata; what cannot be used is an error with the file's name.
        warnings.simplefilter("ignore")
        try:
            source = open_source(spec, workers=workers, progress=progress, base=base)
        except OSError as error:  # a folder or file that may not be read, a name that is too long, a loop of links
            raise trouble(error, spec.source) from error
        convert_source(name, source, spec, out, workers=workers, progress=progress, files=files)


def convert_source(
    name: str, source: Source, spec, out: Path, *, workers: int = 1, progress: bool = True, files: str = ""
) -> None:
    """Convert an opened source, whose files had the fingerprint `files`; see `convert_task`."""
    out = Path(out)
    size, how = stored_shape(source, spec)
    odd = [*source.warnings, *label_warnings(source)]
    for sentence in odd:
        _warn(f"task {name}: {sentence}")
    with begun(out) as partial:
        finished = Finished(partial, _key(source, spec, size, how, files), _shapes(source, size))
        names = _write(source, finished, how, workers, progress)
        labels, copies = _treat_copies(partial, source, names, spec.copies == "drop")
        facts = {
            "name": name,
            "classes": list(source.classes),
            "counts": {part: len(labels[part]) for part in PARTS},
            "label_counts": {part: label_counts(labels[part], len(source.classes)) for part in PARTS},
            "image_size": list(size),
            "resize": how,
            "sha256": content_hash(partial, source.classes),
            "copies": copies,
            # The recipe says how to train on the task, not what the task is.
            "source": spec.entry(),
            "files": files,
            "versions": _versions(),
            **({"multilabel": True} if source.multilabel else {}),
            **source.about,
            "warnings": odd,
        }
        for sentence in copy_sentences(facts):
            _warn(f"task {name}: {sentence}")
        write_names(partial, facts["sha256"], names)
        (partial / "task.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        publish(partial, out)


def open_source(spec, *, workers: int = 1, progress: bool = False, base: Path | None = None) -> Source:
    """Read the labels and sizes of a task's images, of so many as `train_images` says, checking all that can be checked
    without decoding them."""
    module = importlib.import_module(f"subtuning.tasks.sources.{spec.source}")
    more = {"base": base} if spec.source == "corrupted" else {}
    source = module.open_source(spec, workers=workers, progress=progress, **more)
    return source if spec.train_images == "all" else draw(source, spec.train_images, spec.draw)


def stored_shape(source: Source, spec) -> tuple[tuple[int, int, int], str]:
    """(H, W, C) in which a source's images are stored, and the resize that makes it (`none` if they stay native)."""
    if source.image_size and max(source.image_size[:2]) <= spec.stored_size:
        return source.image_size, "none"
    return (spec.stored_size, spec.stored_size, source.channels), spec.resize


def _shapes(source: Source, size: tuple[int, int, int]) -> dict[str, tuple[int, int, int, int]]:
    return {part: (len(source.labels[part]), *size) for part in PARTS}


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}}


def _key(source: Source, spec, size: tuple[int, int, int], how: str, files: str) -> str:
    """What decides each row of a conversion, hashed: one that was killed is gone on with only if this is the same."""
    facts = [spec.entry(), files, size, how, source.classes, source.about, _versions()]
    digest = hashlib.sha256(json.dumps(facts, default=str).encode())
    for part in PARTS:
        digest.update(np.ascontiguousarray(source.labels[part]))
    return digest.hexdigest()


def _write(source: Source, finished: Finished, how: str, workers: int, progress: bool) -> dict[str, list[str]]:
    """Fill all parts, but for the images that are `finished`; returns the images' names, part by part."""
    from subtuning.tasks.resize import resize

    folder, counts = finished.folder, {part: shape[0] for part, shape in finished.shapes.items()}
    size = finished.shapes["train"][1:]
    check_space(folder.parent, (sum(counts.values()) - finished.count) * int(np.prod(size)))
    names, doubts = {part: [""] * counts[part] for part in PARTS}, finished.doubts

    def left() -> Iterator[Item]:
        for item in source.items():
            names[item.part][item.row] = item.name
            if not finished.rows[item.part][item.row]:
                yield item

    def make(item: Item) -> np.ndarray:
        image = item.payload if isinstance(item.payload, np.ndarray) else source.decode(item.payload)
        for doubt in getattr(image, "info", {}).get("doubts", ()):
            doubts.setdefault(doubt, set()).add(item.name)
        return np.asarray(image) if how == "none" else resize(image, size[0], size[1], how)

    with ExitStack() as stack:
        rows = {}
        for part in PARTS:
            np.save(folder / part / "labels.npy", source.labels[part].astype("|u1" if source.multilabel else "<i8"))
            opened = Rows(folder / part / "images.npy", finished.shapes[part])
            rows[part] = stack.enter_context(closing(opened))
        stack.enter_context(finished.saved(rows))
        # Arrays that are stored as they come are only copied: threads would cost more than they save.
        threads = workers if source.decode or how != "none" else 1
        write_images(left(), rows, finished.rows, make, threads, progress)
    for doubt, pictures in doubts.items():
        shown = listed(sorted(pictures), EXAMPLES)
        _warn(f"{len(pictures):,} of {sum(counts.values()):,} pictures {doubt}: {shown}")
    return names


def _treat_copies(partial: Path, source: Source, names: dict[str, list[str]], drop: bool) -> tuple[dict, dict]:
    """The labels of each part that stay, and what `task.json` holds about copies (see `count_copies`)."""
    labels = dict(source.labels)
    same, codes = same_images(partial), _codes(labels)
    found = count_copies(same, codes, names)
    if not drop or not (found["test"] or found["repeated"]):
        return labels, found
    kept, dropped = rows_to_keep(same, codes), {}
    for part, rows in kept.items():
        keep_rows(partial / part, rows)
        lost = np.setdiff1d(np.arange(len(labels[part])), rows)
        dropped[part] = {"images": len(lost), "examples": [names[part][row] for row in lost[:EXAMPLES]]}
        labels[part], names[part] = labels[part][rows], [names[part][row] for row in rows]
    _check_left(source, labels)
    return labels, count_copies(same_images(partial), _codes(labels), names) | {"dropped": dropped}


def _codes(labels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One number an image of each part, in which copies with other labels differ."""
    codes = label_codes(np.concatenate([labels[part] for part in PARTS]))
    ends = np.cumsum([len(labels[part]) for part in PARTS])[:-1]
    return dict(zip(PARTS, np.split(codes, ends), strict=True))


def _check_left(source: Source, labels: dict[str, np.ndarray]) -> None:
    each = (np.concatenate([part["train"], part["val"]]) for part in (source.labels, labels))
    before, after = (np.array(label_counts(both, len(source.classes))) for both in each)
    gone = [source.classes[i] for i in np.flatnonzero((before > 0) & (after == 0))]
    gone = [f"class {name!r}" for name in gone] + [part for part in ("train", "val") if not len(labels[part])]
    if gone:
        raise UserError(f"copies: drop leaves no image to {listed(gone)}; correct the images, or use copies: keep")


def _warn(sentence: str) -> None:
    print(printable(f"warning: {sentence}"), file=sys.stderr)
