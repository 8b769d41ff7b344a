"""What experiments share in reading their options, and in asking for runs."""

from collections.abc import Callable, Mapping
from typing import Any

from subtuning.errors import UserError, listed
from subtuning.runs.identity import Run
from subtuning.search.effort import is_fast
from subtuning.search.study import Settings, Study, cv_splits
from subtuning.tuning.tuning import Tuning

Check = tuple[Any, Callable[[Any], bool], str]
"""Of one option: its default, whether a value is right, and what is right in words."""


def options_of(settings: Settings, experiment: str, known: Mapping[str, Check]) -> dict[str, Any]:
    """The options of an experiment, each that is not given at its default.

    Raises:
        UserError: an option that there is not, or a wrong value.
    """
    key = f"experiments.{experiment}"
    given = settings[key]
    for name in given.keys() - known.keys():
        usage = f"its options are {listed(list(known))}" if known else f"it has no options: write {experiment}: {{}}"
        raise UserError(f"{key}.{name} is no option of this experiment; {usage}")
    for name, value in given.items():
        _, right, words = known[name]
        if not right(value):
            raise UserError(f"{key}.{name} is {value!r}; it must be {words}")
    return {name: given.get(name, default) for name, (default, _, _) in known.items()}


def whole(value: Any, least: int) -> bool:
    """Whether a value is a whole number, `least` or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def whole_numbers(value: Any, least: int) -> bool:
    """Whether a value is a list of different whole numbers, `least` or more, at least one."""
    return isinstance(value, list) and bool(value) and all(whole(v, least) for v in value) and _different(value)


def numbers(value: Any, least: float, above: bool = False) -> bool:
    """Whether a value is a list of different numbers, `least` or more, or `above` that."""
    kinds = isinstance(value, list) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    return kinds and all(v > least if above else v >= least for v in value) and _different(value)


def _different(values: list) -> bool:
    return len(set(values)) == len(values)


def with_singles(study: Study, tunings: list[Tuning]) -> list[Run]:
    """The same, and where the profile is a race, which leaves folds out, those of each layer alone, whose rows stand
    beside them."""
    alone = [Tuning((name,), study.how) for name in study.candidates] if is_fast(study.settings) else []
    return scored_runs(study, [*alone, *tunings])


def scored_runs(study: Study, tunings: list[Tuning]) -> list[Run]:
    """The runs that score tunings as the profile scores layers: one a fold and seed."""
    splits, seeds = cv_splits(study.settings["profile.folds"]), study.settings["search.seeds"]
    return study.runs(tunings, splits, seeds)
