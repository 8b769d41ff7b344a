"""The profile in which each layer has the learning rate that is best for it (`profile.tune`), out of `tune.lr`."""

from subtuning.runs.identity import Run
from subtuning.search.experiments import profile
from subtuning.search.methods import Point
from subtuning.search.scores import fold_scores, mean
from subtuning.search.study import Settings, Step, Study, Wanted, cv_splits
from subtuning.tuning.tuning import Tuning

READS = (*profile.READS, "profile.tune", "tune.lr")


def names(settings: Settings) -> list[str]:
    """One step, if the config asks for it."""
    return ["tuned_profile"] if settings["profile.tune"] else []


def step(name: str, settings: Settings) -> Step:
    """Train each layer, and linear probing and full fine-tuning, at every rate."""
    return Step(name, ("profile",), READS, ("train_experiment", "experiment_table"), _wanted)


def _wanted(study: Study) -> Wanted:
    points = [point for tuning in profile.tunings(study.layers, study.how) for point in _points(study, tuning)]
    return Wanted([run for point in points for run in runs_of(study, point)])


def _points(study: Study, tuning: Tuning) -> list[Point]:
    base = Point(tuning, ())
    return [base.at(factor, study.base.recipe.lr) for factor in sorted(study.settings["tune.lr"])]


def runs_of(study: Study, point: Point) -> list[Run]:
    """The runs that score a layer at a rate: one a fold and seed."""
    splits, seeds = cv_splits(study.settings["profile.folds"]), study.settings["search.seeds"]
    return study.runs([point.tuning], splits, seeds, point.changes)


def best_points(study: Study) -> list[Point] | None:
    """Each layer of the profile at its best rate, of equals the smallest; None while runs are not finished.

    A layer that diverges at every rate stands at the smallest.
    """
    chosen = []
    for tuning in profile.tunings(study.layers, study.how):
        points = _points(study, tuning)
        records = [study.records(runs_of(study, point)) for point in points]
        if any(found is None for found in records):
            return None
        means = [mean(fold_scores(found or [])) for found in records]
        chosen.append(points[max(range(len(points)), key=lambda place: (means[place], -place))])
    return chosen
