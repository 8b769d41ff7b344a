"""What `precision: auto` stands for: the machine that trains decides, and then it is part of a run's identity.

Tables and selections are made on other machines, such as the login node of a cluster. There `auto` means the precision
in which the runs that they need are finished. Runs of one table have one precision.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from subtuning.errors import UserError
from subtuning.runs.identity import Run
from subtuning.runs.store import Store

AUTO = ("bf16", "fp32")
"""What `auto` can become, the preferred first (see `tuning.precision.resolve_precision`)."""


def with_precision(runs: Iterable[Run], precision: str) -> list[Run]:
    """The same runs, those with `auto` in this precision."""
    return [run.with_precision(precision) for run in runs]


def precisions(runs: Sequence[Run], get: Callable[[Run], Any]) -> list[str]:
    """The precisions in which any of the runs is finished; if none is, the one that is to be expected.

    Args:
        get: gives the record of a finished run, else None.
    """
    tries = _tries(runs)
    return [precision for precision, found in tries.items() if any(map(get, found))] or list(tries)[:1]


def finished_alike(runs: Sequence[Run], store: Store) -> list[dict[str, Any]] | None:
    """The runs' records in a precision in which all of them are finished, None where there is none."""
    for tried in _tries(runs).values():
        try:
            return store.require(tried)
        except UserError:  # one is missing
            continue
    return None


def require_alike(store: Store, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The records of runs that must be finished, all in one precision.

    Raises:
        UserError: one is missing, or some are finished in one precision and some in another.
    """
    if records := finished_alike(runs, store):
        return records
    tries = _tries(runs)
    finished = {precision: len(found) - len(store.missing(found)) for precision, found in tries.items()}
    most = max(finished, key=finished.__getitem__)
    if len(finished) > 1 and min(finished.values()):
        counts = " and ".join(f"{count} of them in {precision}" for precision, count in finished.items())
        raise UserError(
            f"{'/'.join(runs[0].names)}: a table needs {len(runs)} runs in one precision, and there are {counts}; set "
            f"recipe.precision to {most} and give the same command again"
        )
    return store.require(tries[most])


def _tries(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs in each precision that they can have; they have one recipe, or at least one precision."""
    own = runs[0].recipe.precision if runs else "fp32"
    return {precision: with_precision(runs, precision) for precision in (AUTO if own == "auto" else (own,))}
