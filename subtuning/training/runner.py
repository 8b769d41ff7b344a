"""From a list of runs to records in the store: what is missing is trained, as many lanes at once as fit."""

import datetime
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from subtuning.backbones.describe import resize_input
from subtuning.backbones.graph import split_model
from subtuning.backbones.weights import load_weights, new_model
from subtuning.config import Backbone as BackboneSpec
from subtuning.errors import UserError
from subtuning.runs.claims import Claims
from subtuning.runs.identity import Run
from subtuning.runs.store import Store
from subtuning.tasks import Task
from subtuning.training.checkpoints import Checkpoints
from subtuning.training.data import images_of
from subtuning.training.interrupt import Interrupt, Interrupted
from subtuning.training.loop import LaneGroup, LaneState, autocast_type
from subtuning.tuning.lane import Trunk

SECONDS_BETWEEN_CHECKPOINTS = 60
"""At most so much work is lost by `kill -9`; SIGTERM and SIGINT lose one step at most."""


@dataclass
class Workplace:
    """Where and with what runs are trained.

    Attributes:
        layers: the content of the backbone's `layers.json`.
        weights: the backbone's `weights.safetensors`.
        finished: called with each record that was just written.
        dtype: of parameters and activations; float64 is for tests of exactness.
        lanes: how many runs are trained together at most; None means all that share their images.
    """

    task: Task
    layers: dict[str, Any]
    weights: Path
    store: Store
    checkpoints: Checkpoints
    device: torch.device
    finished: Callable[[dict[str, Any], Run], None] = lambda record, run: None
    dtype: torch.dtype = torch.float32
    lanes: int | None = None
    fold_batchnorm: bool = True


def train_missing(runs: Sequence[Run], place: Workplace) -> int:
    """Train those of `runs` that the store lacks and return how many that were.

    Runs that another process is training are left to it (see `Claims`). A run's record is written the moment the run is
    finished. On SIGINT or SIGTERM the state of unfinished runs is saved and `Interrupted` is raised; the next call goes
    on from there.

    Raises:
        UserError: weights that are missing or not those that the runs name.
    """
    missing = place.store.missing(runs)
    if not missing:
        return 0
    make_repeatable()
    trunk = load_trunk(place)
    total, trained = sum(run.recipe.epochs for run in missing), 0
    with Interrupt() as interrupt, _progress_bar(total) as bar, Claims(place.store) as claims:
        for mine in claims.shares(lane_groups(missing, place), interrupt.pause):
            for group in lane_groups(mine, place):  # anew: another trainer may have saved a later step and died
                _train_group(group, trunk, place, interrupt, bar)
            trained += len(mine)
    return trained


def lane_groups(runs: Sequence[Run], place: Workplace) -> list[list[Run]]:
    """Split runs into groups of lanes: same images in the same order, and the same step to go on from."""

    def key(run: Run) -> tuple:
        saved = place.checkpoints.load(run.id, torch.device("cpu"))
        return (repr(run.order), saved["step"] if saved else 0)

    keys = {run: key(run) for run in runs}
    groups = [list(group) for _, group in groupby(sorted(runs, key=keys.__getitem__), key=keys.__getitem__)]
    size = place.lanes or len(runs)
    return [group[start : start + size] for group in groups for start in range(0, len(group), size)]


def _train_group(runs: list[Run], trunk: Trunk, place: Workplace, interrupt: Interrupt, bar: tqdm) -> None:
    """Train one group; when memory runs out, train its two halves one after the other."""
    try:
        _train_together(runs, trunk, place, interrupt, bar)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(runs) == 1:
            raise UserError(
                f"run {runs[0]} does not fit into the memory of {place.device}; lower recipe.batch_size"
            ) from None
    else:
        return
    # outside of the except block: the exception's traceback would keep the lanes' memory
    torch.cuda.empty_cache()
    bar.write(f"{len(runs)} lanes do not fit into memory; training them in two halves", file=sys.stderr)
    middle = len(runs) // 2
    # grouped anew, since a lane that diverged has no checkpoint of the step at which the others were saved
    for group in (*lane_groups(runs[:middle], place), *lane_groups(runs[middle:], place)):
        _train_group(group, trunk, place, interrupt, bar)


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out: of the GPU, of torch on the CPU (a plain RuntimeError), or of NumPy."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)


def _train_together(runs: list[Run], trunk: Trunk, place: Workplace, interrupt: Interrupt, bar: tqdm) -> None:
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    train, scored = images_of(runs[0].split, place.task, runs[0].backbone, place.device, place.dtype)
    group = LaneGroup(trunk, runs, train.on_device(), len(place.task.classes), place.layers["features"])
    _resume(group, place)
    bar.set_description(f"{'/'.join(runs[0].names)} {runs[0].split} seed {runs[0].seed}, {len(runs)} lanes")
    begun = saved_at = time.monotonic()
    first = group.step
    while not group.finished:
        group.advance()
        if group.step % group.steps_per_epoch == 0:
            images = (group.step - first) * len(group.train) / group.steps_per_epoch * len(runs)
            rate = images / max(time.monotonic() - begun, 1e-9)
            epoch = f"epoch {group.step // group.steps_per_epoch}/{group.recipe.epochs}"
            bar.set_postfix_str(f"{epoch}, {rate:,.0f} images/s over all lanes", refresh=False)
            bar.update(len(group.lanes))
        overdue = time.monotonic() - saved_at > SECONDS_BETWEEN_CHECKPOINTS
        if interrupt.signum or (overdue and not group.finished):
            _save(group, place)
            saved_at = time.monotonic()
        if interrupt.signum:
            raise Interrupted(interrupt.signum)
    for state, metrics in zip(group.lanes, group.score(scored), strict=True):
        record = place.store.add(state.run, _result(state, metrics, group, place, started))
        place.checkpoints.remove(state.run.id)
        place.finished(record, state.run)


def _resume(group: LaneGroup, place: Workplace) -> None:
    saved = [place.checkpoints.load(state.run.id, place.device) for state in group.lanes]
    if len({state and state["step"] for state in saved}) > 1:
        return  # without file locks another trainer may have saved or finished some since they were grouped: begin anew
    for state, found in zip(group.lanes, saved, strict=True):
        if found:
            group.step = found["step"]
            state.restore(found)


def _save(group: LaneGroup, place: Workplace) -> None:
    for state in group.active:
        place.checkpoints.save(state.run.id, state.state() | {"step": group.step})


def load_trunk(place: Workplace) -> Trunk:
    """The pretrained network on the device, cut into segments."""
    spec = spec_of(place.layers)
    network = new_model(spec.model)
    digest = load_weights(network, place.weights, spec.model)
    if digest != place.layers["weights_sha256"]:
        raise UserError(f"{place.weights} has changed since it was described; run subtuning describe again")
    segments = split_model(resize_input(network, spec), spec.granularity)
    return Trunk(segments, place.fold_batchnorm).to(place.device, place.dtype)


def spec_of(layers: dict[str, Any]) -> BackboneSpec:
    """The backbone's entry as far as a network is built from it."""
    return BackboneSpec(model=layers["model"], input_size=layers["input_size"], granularity=layers["granularity"])


def _result(state: LaneState, metrics: dict | None, group: LaneGroup, place: Workplace, started: str) -> dict[str, Any]:
    seconds = state.watch.seconds()
    head = sum(p.numel() for p in state.lane.head.parameters())
    images = group.step * len(group.train) / group.steps_per_epoch
    return {
        "status": "diverged" if metrics is None else "done",
        "metrics": metrics,
        "curve": state.curve,
        "trainable_parameters": sum(p.numel() for p in state.lane.parameters()),
        "total_parameters": place.layers["total_parameters"] + head,
        "flops": place.layers["total_flops"] + 2 * head,
        "seconds": round(seconds, 4),
        "images_per_second": round(images / seconds, 1) if seconds else None,
        "peak_memory_bytes": peak_memory(place.device),
        "lanes": len(group.lanes),
        "precision": str(autocast_type(state.run.recipe.precision, place.device) or place.dtype).removeprefix("torch."),
        "device": device_name(place.device),
        "versions": versions(),
        "started": started,
    }


def peak_memory(device: torch.device) -> int:
    """Bytes that this process (on a GPU: its tensors) has held at most so far, all lanes together."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def device_name(device: torch.device) -> str:
    """The GPU's name, or the processor's architecture and the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()}, {torch.get_num_threads()} threads)"


def versions() -> dict[str, str]:
    """Versions of what computes the numbers."""
    import timm

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "numpy": np.__version__,
    }


def choose_device(wanted: str = "auto") -> torch.device:
    """`auto` is the GPU where there is one, else the CPU. Raises `UserError` for a device that is not there."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise UserError("--device cuda: torch finds no CUDA GPU here; use --device cpu")
    known = ["cpu", "cuda", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if wanted not in known:
        raise UserError(f"--device {wanted} is not here; use auto or one of {', '.join(known)}")
    return torch.device(wanted)


def make_repeatable() -> None:
    """Ask torch for kernels that give the same numbers every time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads memory before writing it
    torch.backends.cudnn.benchmark = False


def _progress_bar(lane_epochs: int) -> tqdm:
    quiet = not sys.stderr.isatty()
    return tqdm(total=lane_epochs, unit="lane-epoch", smoothing=0.1, mininterval=15 if quiet else 0.2, file=sys.stderr)
