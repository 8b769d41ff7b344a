"""`best`: the single layer with the highest mean score in the profile, each at its own rate with `profile.tune`."""

from subtuning.errors import UserError
from subtuning.runs.identity import Run
from subtuning.search.experiments.profile import best_layer, step
from subtuning.search.experiments.tuned_profile import best_points, runs_of
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning


def select(study: Study) -> Tuning | None:
    """The best layer. Raises `UserError` when every layer diverged."""
    records = study.records(_runs(study))
    if not records:
        return None
    best = best_layer(records, study.layers, study.how)
    if best is None:
        raise UserError(f"every layer of {'/'.join(study.base.names)} diverged; lower recipe.lr")
    return Tuning((best,), study.how)


def _runs(study: Study) -> list[Run]:
    if not study.settings["profile.tune"]:
        return step("profile", study.settings).wanted(study).runs
    return [run for point in best_points(study) or [] for run in runs_of(study, point)]
