"""The version of a run's numbers: raised by hand when an edit of the code changes them, and only for those runs.

Whoever edits numerical code sees `tests/numbers` fail: its golden trainings when numbers change, its ledger always.
Then either nothing changed (the golden trainings pass, and `python -m tests.numbers` writes the ledger anew), or one
`Change` is added here, which says whose numbers are new. Finished runs of all others stay valid.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Identity = Mapping[str, Any]
"""What identifies a run, as plain values (see `Run.identity`)."""


@dataclass(frozen=True)
class Change:
    """An edit that changed numbers.

    Attributes:
        version: one more than the change before.
        what: what is computed otherwise, in words.
        concerns: tells whether a run with this identity gives other numbers than before.
    """

    version: int
    what: str
    concerns: Callable[[Identity], bool]


CHANGES = (
    Change(
        1, "2026-11-25: versions by hand; the resolved precision is part of a run's identity", lambda identity: True
    ),
)
"""In order; the first concerns every run."""


def numbers_of(identity: Identity) -> int:
    """The version of the numbers of one run: that of the last change that concerns it."""
    return next(change.version for change in reversed(CHANGES) if change.concerns(identity))


def latest_numbers() -> int:
    """The version of the last change, whomever it concerns."""
    return CHANGES[-1].version
