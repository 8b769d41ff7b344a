"""D: how cost grows with lanes and images, what each layer costs, and how good the memory plan is."""

import gc
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import torch

from subtuning.benchmark.job import Job
from subtuning.benchmark.timing import Ratio, compare, in_a_process, seconds_of
from subtuning.runs import Run, Split
from subtuning.training import memory
from subtuning.training.device import peak_memory
from subtuning.training.scoring import score
from subtuning.tuning.tuning import ONLY_HEAD, Tuning

LANES = (1, 2, 4, 8, 16, 32, 64)
IMAGES = (500, 5_000, 50_000)


def by_lanes(job: Job, repeats: int) -> list[dict[str, Any]]:
    """Seconds a step and lane of many equal lanes, against one lane alone."""
    tuning = Tuning((job.layers[len(job.layers) // 2],))
    alone, rows = job.group([tuning]), []
    for count in LANES:
        group = job.group([tuning] * count)
        ratio = compare(group.advance, alone.advance, job.device, repeats)
        row = {"benchmark": "D lanes", "lanes": count} | ratio.row()
        rows.append(row | {"times_alone": round(count * ratio.ratio, 3)})
    return rows


def by_images(job: Job, repeats: int) -> list[dict[str, Any]]:
    """Seconds a step with few or many training images in memory: only indexing can differ."""
    tuning = Tuning((job.layers[len(job.layers) // 2],))
    reference, rows = job.group([tuning]), []
    for count in IMAGES:
        group = replace(job, images=count).group([tuning])
        ratio = compare(group.advance, reference.advance, job.device, repeats)
        rows.append({"benchmark": "D images", "images": count} | ratio.row())
    return rows


def by_layer(job: Job, repeats: int) -> list[dict[str, Any]]:
    """Seconds a step of each layer's lane, against linear probing."""
    linear, rows = job.group([ONLY_HEAD]), []
    for tuning in job.profile[1:]:
        ratio = compare(job.group([tuning]).advance, linear.advance, job.device, repeats)
        row = {"benchmark": "D layers", "layer": str(tuning)} | ratio.row()
        rows.append(row | {"times_linear": round(1 / ratio.ratio, 3)})
    return rows


def by_precision(job: Job, repeats: int) -> list[dict[str, Any]]:
    """A step of the profile's lanes in bf16 against full precision."""
    groups = [replace(job, precision=precision).group(job.profile) for precision in ("bf16", "fp32")]
    ratio = compare(groups[0].advance, groups[1].advance, job.device, repeats)
    return [{"benchmark": "precision", "lanes": len(job.profile)} | ratio.row()]


def by_graphs(job: Job, repeats: int) -> list[dict[str, Any]]:
    """A step of the profile's lanes with recorded passes (on a GPU) against passes kernel by kernel."""
    groups = [job.group(job.profile, graphs=graphs) for graphs in (True, False)]
    for _ in range(2):  # the second batch is the one that is recorded
        groups[0].advance()
    ratio = compare(groups[0].advance, groups[1].advance, job.device, repeats)
    return [{"benchmark": "graphs", "lanes": len(job.profile)} | ratio.row()]


def memory_against_plan(job: Job) -> list[dict[str, Any]]:
    """Peak memory of training the profile in a fresh process, against what was planned."""
    rows = []
    for cached in (False, True):
        _, (planned, measured) = in_a_process(_peak, job, cached)
        rows.append(
            {"benchmark": "D memory", "trunk": "kept" if cached else "each batch", "lanes": len(job.profile)}
            | {"planned_mb": round(planned / 1e6), "measured_mb": round(measured / 1e6)}
            | {"planned_to_measured": round(planned / measured, 3)}
        )
    return rows


def _peak(job: Job, cached: bool) -> tuple[int, int]:
    """Bytes planned, and bytes by which memory rose while three steps were trained."""
    job.group([job.profile[0]]).advance()  # what torch allocates once, whatever is trained
    runs = [Run("", Split("test"), job.backbone, tuning, job.recipe()) for tuning in job.profile]
    need = memory.estimate(job.trunk, runs, job.train, job.classes, job.features)
    workers = min(len(runs), torch.get_num_threads()) if job.device.type == "cpu" else 1
    kept = (need.cache or 0) if cached else 0
    planned = need.total(1, len(runs), workers, cached) + kept
    with Watch(job.device) as watch:
        group = job.group(job.profile, cached=cached)
        for _ in range(3):
            group.advance()
    return planned, watch.rise


class Watch:
    """The rise of memory inside its ``with`` block, in bytes, sampled every few milliseconds on a CPU."""

    def __init__(self, device: torch.device):
        self.device, self.rise = device, 0

    def __enter__(self) -> "Watch":
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            self._before = torch.cuda.memory_allocated(self.device)
            return self
        gc.collect()  # what is freed meanwhile would hide a rise
        self._process = psutil.Process()
        self._before, self._done = self._process.memory_info().rss, threading.Event()
        self._sampler = threading.Thread(target=self._sample)
        self._sampler.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.device.type == "cuda":
            self.rise = peak_memory(self.device) - self._before
            return
        self._done.set()
        self._sampler.join()

    def _sample(self) -> None:
        while not self._done.wait(0.002):
            self.rise = max(self.rise, self._process.memory_info().rss - self._before)


def scoring(job: Job, repeats: int) -> list[dict[str, Any]]:
    """Scoring all lanes in one pass over the test images, against one pass for each."""
    test = job.test.part(np.arange(min(512, len(job.test))))
    together = job.group(job.profile)
    single = [job.group([tuning]) for tuning in job.profile]
    ours = [seconds_of(lambda: score(together, test), job.device) for _ in range(repeats)]
    other = [seconds_of(lambda: [score(g, test) for g in single], job.device) for _ in range(repeats)]
    return [{"benchmark": "scoring", "lanes": len(job.profile)} | Ratio.of(ours, other).row()]
