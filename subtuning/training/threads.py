"""Lanes side by side on a CPU.

A lane's operations are small: splitting each of them over all cores costs more in waiting than it gains, and on a busy
machine the waiting threads bring everything to a crawl. So a lane computes on a thread of its own, and the lanes share
the cores. With at least as many lanes as cores, numbers do not depend on how many cores there are.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch


class LaneThreads:
    """Runs functions one after another on a GPU, and on a few threads at once on a CPU."""

    def __init__(self, lanes: int, device: torch.device):
        cores = torch.get_num_threads()
        self.workers = min(lanes, cores) if device.type == "cpu" else 1
        self._pool = None
        if self.workers > 1:
            # torch keeps the number of threads of an operation per calling thread; the main thread's is left alone
            self._pool = ThreadPoolExecutor(self.workers, "lane", torch.set_num_threads, (cores // self.workers,))

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
