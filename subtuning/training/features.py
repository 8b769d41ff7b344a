"""The frozen trunk's values for all images of a task, computed once: without augmentation they never change.

Every epoch, fold and seed then reads its rows instead of running the trunk again.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from subtuning.training.data import Images
from subtuning.training.stopwatch import Stopwatch
from subtuning.training.threads import LaneThreads
from subtuning.tuning.lane import Trunk

CHUNK = 64
"""Images computed at once; always the same, so that a value does not depend on who asks for it."""


class Features:
    """The trunk's values at some cuts, for all rows of an image source.

    Attributes:
        watch: the time it took to compute them.
    """

    def __init__(
        self, tables: dict[str, Tensor], constants: dict[str, Any], cuts: dict[int, list[str]], watch: Stopwatch
    ):
        self._tables, self._constants, self._cuts, self.watch = tables, constants, cuts, watch

    def at(self, cut: int, rows: np.ndarray, device: torch.device) -> dict[str, Any]:
        """The values that exist before segment `cut`, for the images at `rows`, on the device."""
        index = torch.from_numpy(rows)
        tables = {name: self._tables[name] for name in self._cuts[cut] if name in self._tables}
        chosen = {name: table[index.to(table.device, non_blocking=True)] for name, table in tables.items()}
        chosen = {name: values.to(device, non_blocking=True) for name, values in chosen.items()}
        return chosen | {name: self._constants[name] for name in self._cuts[cut] if name in self._constants}


def values_of(trunk: Trunk, pixels: Tensor, cuts: Sequence[int]) -> dict[int, dict[str, Any]]:
    """`Trunk.values_at`, without gradients."""
    with torch.no_grad():
        return trunk.values_at(pixels, cuts)


def value_sizes(trunk: Trunk, images: Images, cuts: Sequence[int]) -> dict[int, dict[str, int]] | None:
    """Bytes an image of each value at each cut, 0 for a value that all images share.

    None when a value is neither one row an image nor the same for all (then it cannot be kept by rows).
    """
    two, three = (values_of(trunk, images.batch(np.zeros(count, np.int64))[0], cuts) for count in (2, 3))
    sizes: dict[int, dict[str, int]] = {cut: {} for cut in two}
    for cut, values in two.items():
        for name, value in values.items():
            other = three[cut][name]
            if not isinstance(value, Tensor) or value.shape == other.shape:
                sizes[cut][name] = 0
            elif value.shape[0] == 2 and other.shape[0] == 3 and value.shape[1:] == other.shape[1:]:
                sizes[cut][name] = value[0].numel() * value.element_size()
            else:
                return None
    return sizes


def compute_features(
    trunk: Trunk, images: Images, sizes: dict[int, dict[str, int]], threads: LaneThreads, storage: torch.device
) -> Features:
    """Run the trunk over all rows of `images` and keep the values of `sizes` (see `value_sizes`) on a device.

    Args:
        storage: the images' device, or the CPU for values that do not fit there (pinned, where the device is a GPU).
    """
    cuts = sorted(sizes)
    by_row = {name for values in sizes.values() for name, size in values.items() if size}
    tables: dict[str, Tensor] = {}
    constants: dict[str, Any] = {}
    chunks = [np.arange(start, min(start + CHUNK, images.rows)) for start in range(0, images.rows, CHUNK)]

    def chunk(rows: np.ndarray) -> None:
        found = values_of(trunk, images.pixels_at(rows), cuts)
        values = {name: value for at in found.values() for name, value in at.items()}
        if not tables:
            constants.update({name: value for name, value in values.items() if name not in by_row})
            tables.update({name: _table(values[name], images.rows, storage) for name in by_row})
        for name in by_row:
            tables[name][rows[0] : rows[-1] + 1].copy_(values[name], non_blocking=True)

    watch = Stopwatch(images.device)
    with watch:
        threads.submit(chunk, chunks[0]).result()
        threads.each(chunk, chunks[1:])
    if images.device.type == "cuda":
        torch.cuda.synchronize(images.device)
    return Features(tables, constants, {cut: list(sizes[cut]) for cut in cuts}, watch)


def _table(value: Tensor, rows: int, storage: torch.device) -> Tensor:
    """An empty table with the layout that one image's value has in a batch (channels last stays so)."""
    pinned = storage.type == "cpu" and value.device.type == "cuda"
    layout = torch.channels_last if value.dim() == 4 and _channels_last(value) else torch.contiguous_format
    return torch.empty(
        (rows, *value.shape[1:]), dtype=value.dtype, device=storage, pin_memory=pinned, memory_format=layout
    )


def _channels_last(value: Tensor) -> bool:
    return value.is_contiguous(memory_format=torch.channels_last) and not value.is_contiguous()
