"""The recipe of each method: a grid of values, of which it gets the one with the best score in cross-validation on
train + val.

With one learning rate for all, that rate decides which method wins. Where the best rate of a method is the smallest or
the largest one that was tried, its grid grows beyond it, `GROWN` times at most.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from subtuning.errors import UserError
from subtuning.runs.identity import Run
from subtuning.search import budget, rankings
from subtuning.search.costs import watched
from subtuning.search.experiments import greedy, tuned_profile
from subtuning.search.methods import Point, methods, untuned
from subtuning.search.scores import fold_scores, mean
from subtuning.search.study import Record, Settings, Step, Study, Wanted, cv_splits

AXES = ("weight_decay", "layer_decay", "rank")
"""What is tuned besides the learning rate, if values are given."""

OPTIONS = ("lr", "grow", "full_budget", *AXES)
READS = (
    *greedy.READS,
    "profile.tune",
    "evaluate.subsets",
    "evaluate.recipes",
    *(f"tune.{option}" for option in OPTIONS),
)

GROWN = 3
"""How often a grid grows at most; three steps of a factor 3 are more than an order of magnitude."""


@dataclass(frozen=True)
class Tuned:
    """The grid of one method, as far as it is known.

    Attributes:
        points: all that were tried or are to be tried.
        scores: the scores of each point over the folds, None where one is not finished.
        best: the one that is chosen; None while some are not finished, or where none is without a diverged run.
        edge: whether `best` has the smallest or the largest rate tried, so that a better one may lie beyond it.
    """

    points: list[Point]
    scores: list[list[float | None] | None]
    best: Point | None
    edge: bool


def names(settings: Settings) -> list[str]:
    """One step; none if there is nothing to choose from."""
    sizes = [len(settings["tune.lr"]), *(len(settings[f"tune.{axis}"]) for axis in AXES)]
    return ["tune"] if max(sizes) > 1 or settings["tune.full_budget"] else []


def step(name: str, settings: Settings) -> Step:
    """Train the grid of every method of the comparison."""
    return Step(name, before(settings), READS, ("train_experiment", "experiment_table"), _wanted)


def before(settings: Settings) -> tuple[str, ...]:
    """The steps that choose layers."""
    return (*tuned_profile.names(settings), "greedy", *["rankings"] * rankings.are_used(settings))


def _wanted(study: Study) -> Wanted:
    found = Wanted()
    for name in methods(study.settings):
        try:
            known = tuned(study, name)
        except UserError as error:
            found.trouble, known = str(error), None
        if known is None:
            splits = cv_splits(study.settings["profile.folds"])
            found.later += splits * study.settings["search.seeds"] * len(list(_values(study.settings)))
        else:
            found.runs += [run for point in known.points for run in runs_of(study, point) if run not in found.runs]
    return found


def runs_of(study: Study, point: Point) -> list[Run]:
    """The runs that score a point: one a fold and seed."""
    settings = study.settings
    splits = cv_splits(settings["profile.folds"])
    return study.runs([point.tuning], splits, settings["search.seeds"], point.changes)


def tuned(study: Study, name: str) -> Tuned | None:
    """The grid of a method; None where its layers are not known yet.

    Raises:
        UserError: they will never be known.
    """
    base = untuned(study, name)
    if base is None:
        return None
    if name == budget.NAME:
        seen = searched(study, "greedy")
        return None if seen is None else _scored(study, budget.draws(study, base, seen), [])
    lr = dict(base.changes).get("lr", study.base.recipe.lr)
    factors, grown = sorted(study.settings["tune.lr"]), 0
    while True:
        points = [base.at(factor, lr, **values) for values in _others(study.settings, base) for factor in factors]
        found = _scored(study, list(dict.fromkeys(points)), factors)
        if not found.edge or found.best is None or grown == GROWN or not study.settings["tune.grow"]:
            return found
        factors, grown = sorted([*factors, _beyond(factors, found.best.factor)]), grown + 1


def _scored(study: Study, points: list[Point], factors: list[float]) -> Tuned:
    """What is known of these points, of which the smallest and the largest of the `factors` are the edge."""
    records = [study.records(runs_of(study, point)) for point in points]
    scores = [None if found is None else fold_scores(found) for found in records]
    best = None if None in scores else _best(points, [found for found in scores if found is not None])
    edge = best is not None and len(factors) > 1 and best.factor in (factors[0], factors[-1])
    return Tuned(points, scores, best, edge)


def searched(study: Study, name: str) -> dict[Run, Record] | None:
    """The finished runs that were looked at while a method's layers and recipe were chosen; None where it is not."""
    seen_by, seen = watched(study)
    if chosen(seen_by, name) is None:
        return None
    if name == budget.NAME and (grid := tuned(study, name)):  # greedy's runs said only how many draws it may have
        own = {run for point in grid.points for run in runs_of(study, point)}
        return {run: record for run, record in seen.items() if run in own}
    return seen


def chosen(study: Study, name: str) -> Point | None:
    """How a method is trained for the test: the best of its grid, or as the config says where nothing is tuned.

    None where that is not known yet.

    Raises:
        UserError: it will never be known.
    """
    if not names(study.settings):
        return untuned(study, name)
    found = tuned(study, name)
    if found and found.best is None and None not in found.scores:
        return untuned(study, name)  # everything diverged: let the test say so
    return None if found is None else found.best


def _best(points: list[Point], scores: list[list[float | None]]) -> Point | None:
    """The point with the highest mean; of equals the one with the smallest rate."""
    means = dict(zip(points, map(mean, scores), strict=True))
    finished = [point for point in points if means[point] > float("-inf")]
    return max(finished, key=lambda point: (means[point], -point.factor), default=None)


def _beyond(factors: list[float], edge: float) -> float:
    """A factor as far beyond the edge as the next one lies within."""
    inner = factors[1] if edge == factors[0] else factors[-2]
    return float(f"{edge * edge / inner:.3g}")


def _others(settings: Settings, base: Point) -> Iterator[dict[str, Any]]:
    """All combinations of the values besides the rate that mean something to a method."""
    given = {axis: settings[f"tune.{axis}"] for axis in AXES if settings[f"tune.{axis}"]}
    if base.tuning.how.name != "lora":
        given.pop("rank", None)
    if not base.tuning.layers:
        given.pop("layer_decay", None)
    return (dict(zip(given, values, strict=True)) for values in product(*given.values()))


def _values(settings: Settings) -> Iterator[tuple]:
    """The whole grid as the config gives it."""
    return product(settings["tune.lr"], *(settings[f"tune.{axis}"] or [None] for axis in AXES if axis != "rank"))
