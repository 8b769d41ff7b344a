"""Whether the largest training of a study fits into memory by itself, told before the first one.

Trained together are as many as fit (`training.memory`), so what cannot be helped is full fine-tuning that does not fit
alone. Saved activations are counted by a forward pass of a few images; nothing is trained.
"""

from dataclasses import dataclass, replace

import psutil
import torch

from subtuning.errors import UserError
from subtuning.runs.precision import with_precision
from subtuning.training import memory
from subtuning.training.checkpoints import Checkpoints
from subtuning.training.data import load_source
from subtuning.training.device import choose_device, device_name
from subtuning.training.runner import load_trunk
from subtuning.training.schedule import Workplace
from subtuning.tuning.precision import low_type, resolve_precision
from subtuning.tuning.tuning import EVERYTHING
from subtuning.workspace.pair import Pair
from subtuning.workspace.paths import Results


@dataclass(frozen=True)
class Room:
    """Bytes.

    Attributes:
        least: what full fine-tuning takes for certain: weights, gradients, moments, saved activations; images can
            be read batch by batch.
        likely: that and what allocators and kernels take besides.
        free: what is free now; `whole`: what there is, swap included.
        device: where, for people.
    """

    least: int
    likely: int
    free: int
    whole: int
    device: str


def measure_room(pair: Pair, device: str = "auto") -> Room:
    """Count what full fine-tuning of a pair takes on this machine."""
    place, results = choose_device(device), Results(pair.results)
    weights = results.weights(pair.names[1])
    work = Workplace(pair.task, pair.layers, weights, results.store, Checkpoints(results.checkpoints), place)
    precision = resolve_precision(pair.recipe.precision, place)
    runs = with_precision([pair.base.with_tuning(EVERYTHING)], precision)
    images = load_source("train", pair.task, pair.base.backbone, place, work.dtype)
    trunk = load_trunk(work).in_precision(low_type(precision))
    need = memory.estimate(trunk, runs, images, len(pair.task.classes), pair.layers["features"])
    kept = 4 * sum(row["parameters"] for row in pair.layers["layers"])
    least, likely = (one.total(1, 1, 1, False) + kept for one in (replace(need, overhead=1.0), need))
    if place.type == "cuda":
        whole = torch.cuda.get_device_properties(place).total_memory
    else:
        whole = psutil.virtual_memory().total + psutil.swap_memory().total
    return Room(least, likely, memory.available_memory(place), whole, device_name(place))


def check_room(room: Room, pair: Pair) -> str:
    """A warning where memory may not be enough, else nothing.

    Raises:
        UserError: it is not enough for certain.
    """
    backbone, batch, size = pair.names[1], pair.recipe.batch_size, pair.layers["input_size"]
    what = f"full fine-tuning of {backbone} with batch_size {batch} at input_size {size} takes "
    do = f"lower recipe.batch_size or backbones.{backbone}.input_size, or choose a smaller model"
    if room.least > room.whole:
        raise UserError(f"{what}{_gb(room.least)} of memory, and {room.device} has {_gb(room.whole)}; {do}")
    if room.likely > room.free:
        return f"warning: {what}about {_gb(room.likely)} of memory, and {_gb(room.free)} are free; if it fails, {do}"
    return ""


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
