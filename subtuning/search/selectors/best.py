"""`best`: the single layer with the highest mean score in the profile."""

from subtuning.errors import UserError
from subtuning.search.experiments.profile import best_layer, step
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning


def select(study: Study) -> Tuning | None:
    """The best layer. Raises `UserError` when every layer diverged."""
    records = study.records(step("profile", study.settings).wanted(study).runs)
    if records is None:
        return None
    best = best_layer(records, study.layers)
    if best is None:
        raise UserError(f"every layer of {'/'.join(study.base.names)} diverged; lower recipe.lr")
    return Tuning((best,))
