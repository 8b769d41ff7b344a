"""How far a training is: a bar in a terminal, elsewhere a plain line now and then, so that logs can be read."""

import sys
import threading
import time
from typing import Any

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 15.0


class Progress:
    """Counts finished runs, and images that lanes have trained on. To be used from any thread, in a ``with`` block.

    Attributes:
        images: that all runs together will see; an image counts once for each run and epoch.
    """

    def __init__(self, title: str, runs: int, images: float):
        self.title, self.runs, self.images = title, runs, images
        self._finished, self._seen, self._here = 0, 0.0, 0.0
        self._lock, self._begun = threading.Lock(), time.monotonic()
        self._said = self._begun
        self._bar: Any = None
        if sys.stderr.isatty():
            self._bar = tqdm(total=round(images), desc=self._runs(), unit="img", unit_scale=True, smoothing=0.1)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def saw(self, images: float, before: bool = False) -> None:
        """So many images more; `before`: they were seen by an earlier call, whose saved state goes on here."""
        with self._lock:
            self._seen += images
            self._here += 0 if before else images
            if self._bar is not None:
                self._bar.n = round(self._seen)
                self._bar.refresh() if before else self._bar.update(0)
            elif time.monotonic() - self._said > SECONDS_BETWEEN_LINES:
                self._said = time.monotonic()
                print(self.line(), file=sys.stderr, flush=True)

    def finished(self, runs: int = 1) -> None:
        """So many runs more have their record."""
        with self._lock:
            self._finished += runs
            if self._bar is not None:
                self._bar.set_description(self._runs())

    def write(self, text: str) -> None:
        """Say something in a line of its own."""
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)

    def line(self) -> str:
        """`profile of flowers/resnet50: 38 of 76 runs, 41,000 of 92,000 images, 12 min left`."""
        words = f"{self._runs()}, {round(self._seen):,} of {round(self.images):,} images"
        if not self._here:
            return words
        return f"{words}, {_words((time.monotonic() - self._begun) / self._here * (self.images - self._seen))} left"

    def _runs(self) -> str:
        return f"{self.title}: {self._finished} of {self.runs} runs"


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
