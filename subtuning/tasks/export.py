"""Writing a converted task as the community's image-list folder, losslessly, for other code bases to train on."""

import shutil
from pathlib import Path

import numpy as np

from subtuning.errors import UserError
from subtuning.tasks.source import PARTS
from subtuning.tasks.task import Task, load_task
from subtuning.tasks.write import check_space, in_threads

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
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not an empty folder; choose a new one")
    names = _VTAB if (task.counts["train"], task.counts["val"]) == (800, 200) else _PLAIN
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    check_space(out, sum(task.counts.values()) * int(np.prod(task.image_size)))
    try:
        lists = {part: _write_part(task, part, names[part], partial, workers, progress) for part in PARTS}
        for part in PARTS:
            (partial / f"{names[part]}.txt").write_text("".join(lists[part]))
        (partial / f"{names['both']}.txt").write_text("".join(lists["train"] + lists["val"]))
        (partial / "classes.txt").write_text("".join(f"{name}\n" for name in task.classes), encoding="utf-8")
        if out.exists():
            out.rmdir()
        partial.rename(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_part(task: Task, part: str, name: str, folder: Path, workers: int, progress: bool) -> list[str]:
    """Write one part's images; returns the lines of its list."""
    from PIL import Image
    from tqdm import tqdm

    (folder / "images" / name).mkdir(parents=True)
    images, labels = task.part(part)
    paths = [f"images/{name}/{i:06d}.png" for i in range(len(labels))]

    def save(i: int) -> None:
        pixels = np.asarray(images[i])
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(folder / paths[i], compress_level=6)

    saved = in_threads(save, range(len(labels)), workers)
    for _ in tqdm(saved, total=len(labels), desc=name, unit="img", disable=not progress, mininterval=0.5):
        pass
    return [f"{path} {label}\n" for path, label in zip(paths, labels, strict=True)]
