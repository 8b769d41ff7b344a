"""Writing a converted task as the community's image-list folder, losslessly, for other code bases to train on."""

from pathlib import Path

import numpy as np

from subtuning.errors import UserError
from subtuning.tasks.source import PARTS
from subtuning.tasks.task import Task, load_task
from subtuning.tasks.write import check_space, in_threads, written_aside

_VTAB = {"train": "train800", "val": "val200", "test": "test", "both": "train800val200"}
_PLAIN = {"train": "train", "val": "val", "test": "test", "both": "trainval"}


def export_task(path: Path, out: Path, *, workers: int = 1, progress: bool = True) -> None:
    """Write the converted task in folder `path` to the new folder `out`. Raises `UserError`.

    `images/<list>/000000.png` and `<list>.txt` with lines `images/<list>/000000.png 7`, for the lists train800, val200
    and test (train, val and test where there are not 800 and 200), `train800val200.txt`, which names the same files in
    the order train, val, and `classes.txt`. PNG, not JPEG as the community's own files: every pixel is kept. Images of
    one channel stay so. `source: image_list` reads the folder back.
    """
    task, out = load_task(path), Path(out)
    if task.multilabel:
        raise UserError(f"{path}: lists of images have one label a line, so a multi-label task cannot be exported")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not an empty folder; choose a new one")
    names = _VTAB if (task.counts["train"], task.counts["val"]) == (800, 200) else _PLAIN
    check_space(out, sum(task.counts.values()) * int(np.prod(task.image_size)))
    with written_aside(out) as partial:
        lists = {part: _write_part(task, part, names[part], partial, workers, progress) for part in PARTS}
        lists["both"] = lists["train"] + lists["val"]
        for part, lines in lists.items():
            (partial / f"{names[part]}.txt").write_text("".join(lines))
        (partial / "classes.txt").write_text("".join(f"{name}\n" for name in task.classes), encoding="utf-8")
        if out.exists():
            out.rmdir()
        partial.rename(out)


def _write_part(task: Task, part: str, name: str, folder: Path, workers: int, progress: bool) -> list[str]:
    """Write one part's images; returns the lines of its list."""
    from PIL import Image

    (folder / "images" / name).mkdir(parents=True)
    images, labels = task.part(part)
    paths = [f"images/{name}/{i:06d}.png" for i in range(len(labels))]

    def save(i: int) -> None:
        pixels = np.asarray(images[i])
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(folder / paths[i], compress_level=6)

    for _ in in_threads(save, range(len(labels)), workers, len(labels), name, progress):
        pass
    return [f"{path} {label}\n" for path, label in zip(paths, labels, strict=True)]
