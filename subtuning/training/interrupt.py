"""Ctrl-C and the scheduler's SIGTERM: finish the step, save, leave."""

import signal
import time
from types import FrameType

SECONDS_OF_A_PAUSE = 0.5


class Interrupted(BaseException):
    """Raised after the state was saved; `signum` says by which signal."""

    def __init__(self, signum: int):
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class Interrupt:
    """While active, SIGINT and SIGTERM only set `signum`; the training loop looks at it between two steps.

    Attributes:
        stopping: whether to save and leave: after a signal, or since another group of lanes has failed.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self.stopping = False

    def __enter__(self) -> "Interrupt":
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def pause(self) -> None:
        """Wait half a second. Raises `Interrupted` if a signal came."""
        self.check()
        time.sleep(SECONDS_OF_A_PAUSE)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self.signum, self.stopping = signum, True

    def check(self) -> None:
        """Raise `Interrupted` if it is time to leave."""
        if self.stopping:
            raise Interrupted(self.signum or signal.SIGINT)
