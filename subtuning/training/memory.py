"""How many runs to train at once, and whether to keep the trunk's values, so that everything fits into memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import torch

from subtuning.runs.identity import Run
from subtuning.training.data import Images
from subtuning.training.features import value_sizes, values_of
from subtuning.training.objectives import objective_of
from subtuning.tuning.head import new_head
from subtuning.tuning.lane import Lane, Trunk, cut_of
from subtuning.tuning.tuning import Tuning

SHARE = 0.8
"""Part of the free memory that may be planned for; the rest is for what no estimate sees."""

IMAGES = 0.5
"""Part of the free memory that a task's images may take; where they are more, batches are read from the disk."""

OVERHEAD = {"cpu": 1.33, "cuda": 1.0}
"""Memory taken for a byte of tensors: on a CPU 1.30 to 1.38 for three models, by malloc's gaps and buffers in kernels
(docs/performance.md); a GPU's memory is counted in tensors."""

COPIES = {"adamw": 4, "adam": 4, "sgd": 3}
"""Copies of each trained parameter: weight, gradient and the optimiser's moments."""

PROBES = (2, 4)
"""Images with which a lane's activations are counted, to tell what grows with a batch from what does not, as autocast's
copies of weights; BatchNorm in training needs two."""


def hold(images: Images, warn: Callable[[str], None]) -> Images:
    """The same images on their device if they take little enough of its free memory (`IMAGES`); else as they are, so
    that batches are read from the disk."""
    size = images.pixels.nbytes
    if size <= IMAGES * available_memory(images.device):
        return images.on_device()
    warn(f"the images ({size / 1e9:.1f} GB) do not fit into memory; reading them from the disk")
    return images


Kind = tuple[Tuning, str, str, int, int]


def kind_of(run: Run) -> Kind:
    """Runs of one kind take the same memory."""
    recipe = run.recipe
    return (run.tuning, recipe.optimizer, recipe.head, recipe.head_depth, recipe.head_width)


@dataclass(frozen=True)
class Need:
    """Bytes that lanes take.

    Attributes:
        states: for each run of a group: its parameters, gradients and moments.
        activations: what the largest lane holds of a batch during its backward pass.
        values: the trunk's values of a batch, at all cuts.
        cache: the same for all images; None where it cannot be kept.
        overhead: what each of these bytes but the cache's takes.
        lanes: what a run of each kind (see `kind_of`) takes by itself: parameters, gradients, moments and a batch's
            activations, overhead included; not the trunk's weights and values, which lanes share.
    """

    states: tuple[int, ...]
    activations: int
    values: int
    cache: int | None
    overhead: float = 1.0
    lanes: Mapping[Kind, int] = field(default_factory=dict)

    def total(self, groups: int, lanes: int, workers: int, cached: bool) -> int:
        """Of `groups` groups of `lanes` lanes, `workers` of which are in a backward pass at once."""
        shared = 0 if cached else 2 * groups * self.values  # one batch in use, one in preparation
        states = sum(sorted(self.states)[-lanes:])
        return round(self.overhead * (groups * states + min(workers, groups * lanes) * self.activations + shared))


@dataclass(frozen=True)
class Fit:
    """What is trained at once: groups of lanes, with the trunk's values kept on a device (None: computed anew)."""

    groups: int
    lanes: int
    storage: torch.device | None
    bytes: int


def estimate(trunk: Trunk, runs: Sequence[Run], images: Images, classes: int, features: int) -> Need:
    """Count what the distinct lanes of `runs` need, by forward passes of each over a few images."""
    recipe = runs[0].recipe
    batch = min(recipe.batch_size, len(images))
    cuts = sorted({cut_of(run.tuning, trunk) for run in runs})
    probes = [(values_of(trunk, x, cuts), y) for x, y in (images.batch(np.zeros(n, np.int64)) for n in PROBES)]
    overhead = OVERHEAD[images.device.type]
    states, activations, lanes = {}, 0, {}
    shared = {p.data_ptr() for segment in trunk.original for p in segment.module.parameters()}
    for key, run in {kind_of(run): run for run in runs}.items():
        head = new_head(features, classes, run.recipe, 0).to(images.device, images.dtype)
        lane = Lane(trunk, run.tuning, head).train()
        bytes_of = {p: p.numel() * p.element_size() for p in lane.parameters() if p.data_ptr() not in shared}
        trained = sum(bytes_of[p] for p in lane.trained_parameters)
        states[key] = sum(bytes_of.values()) + (COPIES[run.recipe.optimizer] - 1) * trained
        few, more = (_saved_bytes(lane, values[lane.cut], labels) for values, labels in probes)
        slope = (more - few) / (PROBES[1] - PROBES[0])
        own = round(few + slope * (batch - PROBES[0]))
        activations = max(activations, own)
        lanes[key] = round(overhead * (states[key] + own))
    together = _largest_group(runs, states)
    sizes = value_sizes(trunk, images, cuts)
    if sizes is None:
        found = [value for values in probes[0][0].values() for value in values.values() if torch.is_tensor(value)]
        row = sum(value.numel() * value.element_size() for value in found)
        return Need(together, activations, row * batch // PROBES[0], None, overhead, lanes)
    row = sum({name: size for values in sizes.values() for name, size in values.items()}.values())
    cache = row * images.rows if recipe.augmentation == "none" else None
    return Need(together, activations, row * batch, cache, overhead, lanes)


def _largest_group(runs: Sequence[Run], states: Mapping[Kind, int]) -> tuple[int, ...]:
    """The states of the runs that share an order of images, where they are most."""
    groups: dict[tuple, list[int]] = {}
    for run in runs:
        groups.setdefault(run.order, []).append(states[kind_of(run)])
    return tuple(max(groups.values(), key=sum))


def _saved_bytes(lane: Lane, values: dict, labels: torch.Tensor) -> int:
    """Bytes that autograd keeps for a lane's backward pass, each storage once, parameters not counted."""
    own = {p.untyped_storage().data_ptr() for segment in lane._path for p in segment.module.parameters()}
    seen: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = objective_of(labels).total_loss(lane(values), labels)
    del loss
    return sum(seen.values())


def fit(need: Need, groups: int, workers: int, device: torch.device, free: int) -> Fit:
    """The most that fits into `free` bytes.

    Kept values are worth more than groups side by side, and both more than lanes: a group that is trained in parts runs
    the trunk once for each.

    Args:
        groups: that it would pay to train at once.
        workers: lanes that compute at the same time.
    """
    lanes = len(need.states)
    tries: list[tuple[int, torch.device | None, int]] = []
    for several in dict.fromkeys((groups, 1)):
        if need.cache is not None:
            tries.append((several, device, need.cache))
            if device.type == "cuda" and need.cache <= SHARE * available_memory(torch.device("cpu")):
                tries.append((several, torch.device("cpu"), 0))
        tries.append((several, None, 0))
    for several, storage, kept in sorted(tries, key=lambda item: item[1] is None):
        total = need.total(several, lanes, workers, storage is not None) + kept
        if total <= SHARE * free:
            return Fit(several, lanes, storage, total)
    while lanes > 1 and need.total(1, lanes, workers, cached=False) > SHARE * free:
        lanes = -(-lanes // 2)
    return Fit(1, lanes, None, need.total(1, lanes, workers, cached=False))


def available_memory(device: torch.device) -> int:
    """Bytes free on a GPU, or in this machine and in the limit (cgroup) that a scheduler set for this process."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return min([psutil.virtual_memory().available, *_cgroup_memory()])


def _cgroup_memory(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> list[int]:
    """What each memory limit of cgroup v2 above this process leaves free."""
    try:
        path = next(line for line in own.read_text().splitlines() if line.startswith("0::"))[3:].strip("/")
    except (OSError, StopIteration):
        return []
    left = []
    for folder in [root / path, *(root / path).parents]:
        try:
            limit, used = (int((folder / name).read_text()) for name in ("memory.max", "memory.current"))
        except (OSError, ValueError):  # no such file, or "max"
            continue
        left.append(limit - used)
    return left
