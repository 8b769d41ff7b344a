"""How long a start takes, said before the first training."""

import sys
from pathlib import Path

from subtuning.config import Config
from subtuning.workspace.estimates import LONG, seconds_left
from subtuning.workspace.forecast import round_minutes


def say_time_left(config: Config, results: Path = Path("results"), dry: bool = False) -> None:
    """One line on standard error, if it is a quarter of an hour or more, or, of a dry run, not known yet."""
    seconds, unknown, device = seconds_left(config, results)
    pairs = len(config.tasks) * len(config.backbones)
    rest = (
        f"; {unknown} of {pairs} pairs of task and backbone are not counted, being not prepared yet" if unknown else ""
    )
    if seconds >= LONG:
        print(
            f"Time: {round_minutes(seconds)} to train what is left of this config, on {device}{rest}.", file=sys.stderr
        )
    elif unknown and dry:
        print(
            "Time: not known before images and networks are prepared; a start says it before it trains.",
            file=sys.stderr,
        )
