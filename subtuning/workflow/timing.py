"""How long a start takes, said before the first training, and how long the whole workflow still takes, at each step."""

import sys
import time
from collections.abc import Container
from pathlib import Path

from subtuning.analysis.time_left import time_words
from subtuning.config import Config
from subtuning.errors import UserError
from subtuning.workspace.estimates import LONG, SLOW, what_is_left
from subtuning.workspace.forecast import round_minutes

RARELY = 50
"""So many times as long as the last look took, none follows: looks cost no more than 2 % of a core."""


def say_time_left(config: Config, results: Path = Path("results"), dry: bool = False) -> None:
    """One line on standard error, if it is a quarter of an hour or more, or, of a dry run, not known yet."""
    left = what_is_left(config, results)
    rest = f"; {_not_counted(left.unknown, config)}, being not prepared yet" if left.unknown else ""
    if left.seconds >= LONG:
        print(
            f"Time: {round_minutes(left.seconds)} to train what is left of this config, on {left.device}{rest}.",
            file=sys.stderr,
        )
    elif left.unknown and dry:
        print(
            "Time: not known before images and networks are prepared; a start says it before it trains.",
            file=sys.stderr,
        )


def _not_counted(unknown: int, config: Config) -> str:
    return f"{unknown} of {len(config.tasks) * len(config.backbones)} pairs of task and backbone are not counted"


class TimeLeft:
    """How long all trainings of a workflow still take: the forecast, corrected by how long the finished ones took.

    What runs side by side, tables and figures are in that correction. Without a finished training and a measured
    speed nothing is known, and nothing is said.
    """

    def __init__(self, config: Config, results: Path = Path("results")):
        self.config, self.results = config, results
        self.needed: Container[str] = frozenset()
        self._begun: tuple[float, float] | None = None
        self._next = 0.0

    def words(self) -> str:
        """Such as `at most about 12 min left in all`; empty where nothing is known. To be called when a training
        begins."""
        now = time.monotonic()
        if now < self._next:
            return ""
        try:
            left = what_is_left(self.config, self.results, self.needed, SLOW)
        except (UserError, OSError, TypeError, ValueError):  # other steps will say what is wrong
            return ""
        self._next = now + RARELY * (time.monotonic() - now)
        begun, before = self._begun = self._begun or (now, left.done)
        worked = left.done - before
        if not left.seconds or not (worked > 0 or left.measured):
            return ""
        seconds = left.seconds * ((now - begun) / worked if worked > 0 else 1)
        most = "at most " if left.at_most else ""
        rest = f"; {_not_counted(left.unknown, self.config)} yet" if left.unknown else ""
        return f"{most}about {time_words(seconds)} left in all{rest}"
