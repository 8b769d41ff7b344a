"""Lanes side by side on a CPU.

A lane's operations are small: splitting each of them over all cores costs more in waiting than it gains, and stalls
badly when the machine is busy. So every lane computes on one thread of its own, and the lanes share the cores. This
also makes a lane's numbers independent of the number of cores, as long as there are at least as many lanes as cores.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch


class LaneThreads:
    """Runs a function for every lane: in turn on a GPU, on a few threads at once on a CPU."""

    def __init__(self, lanes: int, device: torch.device):
        cores = torch.get_num_threads()
        workers = min(lanes, cores) if device.type == "cpu" else 1
        self._pool = None
        if workers > 1:
            # torch keeps the number of threads of an operation per calling thread, so this leaves the main thread alone
            self._pool = ThreadPoolExecutor(workers, "lane", torch.set_num_threads, (max(1, cores // workers),))

    def each(self, function: Callable[[Any], None], items: Iterable[Any]) -> None:
        """Call the function for every item and wait for all; the first exception is raised."""
        if self._pool is None:
            for item in items:
                function(item)
        else:
            for _ in self._pool.map(function, items):
                pass
