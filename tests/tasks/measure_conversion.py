"""How fast conversion is, how much memory it needs, and how much disk its results take.

    python -m tests.tasks.measure_conversion --folder /somewhere/with/space [--share 0.1] [--workers 2]

Speed is compared with a bare loop that only decodes and resizes the same files with Pillow, in as many threads. Memory
is the peak resident memory of a process of its own. `--share` scales the numbers of images (1: the largest splits).
"""

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from subtuning.config.tasks import FolderTask, VtabTask
from subtuning.tasks.convert import convert_source, convert_task
from subtuning.tasks.images import open_rgb
from subtuning.tasks.source import Item, Source
from subtuning.tasks.vtab.registry import TASKS

NAIVE = 3 * 224 * 224 * 4
"""Bytes an image as float32 at 224 pixels, the form in which SubTuning's own code stores tasks."""
DSPRITES, RETINOPATHY = 737_280, 42_670


def photograph(seed: int, height: int, width: int) -> np.ndarray:
    """A picture (uint8 H x W x 3) whose JPEG is about as large as a photograph's: smooth shapes and fine grain."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    shapes = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    grain = rng.normal(0, 6, (height, width, 1))
    return np.clip(np.asarray(shapes) + grain, 0, 255).astype(np.uint8)


def jpeg(seed: int, height: int, width: int) -> bytes:
    """`photograph` as JPEG of quality 90."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(photograph(seed, height, width)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def bare_loop(files: list[Path], workers: int) -> None:
    """Decode and resize to 224 pixels, with nothing around it."""
    from PIL import Image

    def work(file: Path) -> int:
        with Image.open(file) as image:
            return np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)).size

    with ThreadPoolExecutor(workers) as pool:
        sizes = list(pool.map(work, files))
    assert set(sizes) == {3 * 224 * 224}


def conversion(folder: Path, workers: int) -> None:
    """Convert the same files: header reading, checks, writing and hashing included."""
    spec = FolderTask(source="folder", path=str(folder / "photos"), stored_size=224)
    convert_task("photos", spec, folder / "converted", workers=workers, progress=False)


def clocked(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds that `work` takes, by the clock and of all cores."""
    clock, cores = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cores


def speed(folder: Path, count: int, workers: int, rounds: int) -> dict:
    """Both in turns, `rounds` times, on `count` JPEG files of 500 x 375 pixels.

    The share of cores' seconds is the steadier figure where other programs run: it leaves out their time.
    """
    distinct = [jpeg(i, 375, 500) for i in range(50)]
    for i in range(count):
        place = folder / "photos" / f"class{i % 10}" / f"{i:06d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(distinct[i % 50])
    files = sorted((folder / "photos").rglob("*.jpg"))
    bare_loop(files[:50], workers)
    bare, ours = [], []
    for _ in range(rounds):
        bare.append(clocked(lambda: bare_loop(files, workers)))
        ours.append(clocked(lambda: conversion(folder, workers)))
    by_clock, by_cores = (sorted(b[k] / o[k] for b, o in zip(bare, ours, strict=True)) for k in (0, 1))
    return {
        "images": count,
        "workers": workers,
        "bare_images_per_s": round(count / statistics.median(seconds for seconds, _ in bare), 1),
        "conversion_images_per_s": round(count / statistics.median(seconds for seconds, _ in ours), 1),
        "share_by_clock": [round(share, 3) for share in by_clock],
        "share_by_cores": [round(share, 3) for share in by_cores],
    }


def child_dsprites(folder: Path, share: float, workers: int) -> int:
    """Convert a made-up dSprites file of the true shape; returns the number of images."""
    import h5py

    count, data = int(DSPRITES * share), folder / "data" / "dsprites"
    data.mkdir(parents=True)
    (folder / "data" / "scaled_down.json").write_text('{"train": 800, "val": 200}')
    block = (np.random.default_rng(0).random((64, 64, 64)) > 0.5).astype(np.uint8)
    with h5py.File(data / TASKS["dsprites_loc"].files[0].file, "w") as file:
        images = file.create_dataset("imgs", (count, 64, 64), np.uint8, chunks=(5760, 2, 4), compression="gzip")
        for start in range(0, count, 5760):
            images[start : start + 5760] = np.resize(block, (min(5760, count - start), 64, 64))
        latents = np.stack(np.unravel_index(np.arange(count), (1, 3, 6, 40, 32, 32)), 1)
        file.create_dataset("latents/classes", data=latents)
    spec = VtabTask(source="vtab", name="dsprites_loc", data_dir=str(folder / "data"))
    start = time.perf_counter()
    convert_task("dsprites", spec, folder / "converted", workers=workers, progress=False)
    print(f"{time.perf_counter() - start:.1f}", end=" ")
    return sum(json.loads((folder / "converted" / "task.json").read_text())["counts"].values())


def child_retinopathy(folder: Path, share: float, workers: int) -> int:
    """Convert as many 540 x 540 pictures as the retinopathy test part has to 224 pixels; returns their number."""
    counts = {"train": 800, "val": 200, "test": int(RETINOPATHY * share)}
    distinct = [jpeg(i, 540, 540) for i in range(50)]

    def items() -> Iterator[Item]:
        for part, count in counts.items():
            for row in range(count):
                yield Item(part, row, f"{part} {row}", distinct[row % 50])

    labels = {part: np.arange(count) % 5 for part, count in counts.items()}
    source = Source(tuple("01234"), labels, items, None, open_rgb)
    spec = VtabTask(source="vtab", name="diabetic_retinopathy")
    start = time.perf_counter()
    convert_source("retinopathy", source, spec, folder / "converted", workers=workers, progress=False)
    print(f"{time.perf_counter() - start:.1f}", end=" ")
    return sum(counts.values())


def memory(folder: Path, name: str, share: float, workers: int) -> dict:
    """Peak resident memory (MiB), seconds and bytes an image of one child, run as a process of its own."""
    place = folder / name
    place.mkdir(parents=True)
    command = [sys.executable, "-m", "tests.tasks.measure_conversion", "--child", name, "--folder", str(place)]
    command += ["--share", str(share), "--workers", str(workers)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    seconds, images, peak = float(answer[0]), int(answer[1]), int(answer[2])
    size = sum(file.stat().st_size for file in (place / "converted").rglob("*") if file.is_file())
    shutil.rmtree(place)
    return {
        "images": images,
        "peak_MiB": round(peak / 1024),
        "seconds": seconds,
        "bytes_per_image": round(size / images),
        "naive_bytes_per_image": NAIVE,
    }


def disk() -> dict:
    """Bytes that all 19 converted tasks take at 224 pixels, computed, against float32 at 224 pixels."""
    ours = naive = 0
    for entry in TASKS.values():
        rows = {part: len(cut.rows(np.arange(entry.sizes[cut.split]))) for part, cut in entry.cuts.items()}
        native = entry.native if entry.native and max(entry.native) <= 224 else (224, 224, 3)
        ours += sum(rows.values()) * int(np.prod(native))
        naive += sum(rows.values()) * NAIVE
    archives = {archive.file: archive.size for entry in TASKS.values() for archive in entry.files}
    return {
        "converted_GB": round(ours / 1e9, 1),
        "naive_GB": round(naive / 1e9, 1),
        "factor": round(naive / ours, 1),
        "archives_to_fetch_GB": round(sum(archives.values()) / 1e9, 1),
    }


CHILDREN = {"dsprites": child_dsprites, "retinopathy": child_retinopathy}


def main() -> None:
    """Run the parts and print one JSON line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, required=True, help="an empty or new folder with room (7 GB for --share 1)"
    )
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="of the measurement of speed (default: 5)")
    parser.add_argument("--only", choices=["disk", "speed", *CHILDREN], help="one part instead of all")
    parser.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        images = CHILDREN[options.child](options.folder, options.share, options.workers)
        print(images, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    parts = {
        "disk": disk,
        "speed": lambda: speed(options.folder, int(10_000 * options.share), options.workers, options.rounds),
        **{name: partial(memory, options.folder, name, options.share, options.workers) for name in CHILDREN},
    }
    for name in [options.only] if options.only else parts:
        print(json.dumps({name: parts[name]()}), flush=True)


if __name__ == "__main__":
    main()
