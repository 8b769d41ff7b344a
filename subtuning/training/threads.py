"""Lanes side by side on a CPU.

A lane computes on one thread, always, and the lanes, the trunk and the batches to come share the cores. Two reasons:

* Many operations give other numbers on other numbers of threads (measured with torch 2.15: the weight gradients of
  convolutions, BatchNorm, LayerNorm, sums and, where the values do not divide evenly, even SiLU and softmax), and how
  many threads there are is no part of a run's identity.
* A lane's operations are small: splitting each of them over all cores costs more in waiting than it gains, and on a
  busy machine the waiting threads bring everything to a crawl.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch


class LaneThreads:
    """Runs functions one after another on a GPU, and on a CPU as many at once as torch has threads, each on one.

    To be made in the thread that `--threads` was set for: torch keeps the number of threads for each calling thread.
    """

    def __init__(self, device: torch.device):
        self.workers = torch.get_num_threads() if device.type == "cpu" else 1
        self._pool = ThreadPoolExecutor(self.workers, "lane", torch.set_num_threads, (1,)) if self.workers > 1 else None

    @property
    def parallel(self) -> bool:
        """Whether submitted work is done while the caller goes on."""
        return self._pool is not None

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Begin a call, or do it at once where nothing is parallel."""
        if self._pool is not None:
            return self._pool.submit(function, *arguments)
        done: Future = Future()
        done.set_result(function(*arguments))
        return done

    def each(self, function: Callable[[Any], None], items: Iterable[Any]) -> None:
        """Call the function for every item and wait for all; the first exception is raised."""
        for call in [self.submit(function, item) for item in items]:
            call.result()
