"""Time spent on a lane, on the CPU's clock or, where work is queued, between events on the GPU."""

import time

import torch


class Stopwatch:
    """Adds up the time inside its ``with`` blocks.

    On a GPU nothing is synchronised until `seconds()` is asked for.
    """

    def __init__(self, device: torch.device, seconds: float = 0.0):
        self.device = device
        self._seconds = seconds
        self._pending: list[tuple[torch.cuda.Event, torch.cuda.Event, float]] = []

    def __enter__(self) -> "Stopwatch":
        self._start = self._now()
        return self

    def __exit__(self, *error: object) -> None:
        end = self._now()
        if self.device.type == "cuda":
            self._pending.append((self._start, end, 1.0))
        else:
            self._seconds += end - self._start

    def add(self, other: "Stopwatch", share: float) -> None:
        """Add a share of the time that another watch measured."""
        self._seconds += other._seconds * share
        self._pending += [(start, end, weight * share) for start, end, weight in other._pending]

    def seconds(self) -> float:
        """All time so far; waits for the GPU if need be."""
        if self._pending:
            torch.cuda.synchronize(self.device)
            self._seconds += sum(start.elapsed_time(end) / 1000 * weight for start, end, weight in self._pending)
            self._pending.clear()
        return self._seconds

    def _now(self):
        if self.device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            return event
        return time.perf_counter()
