"""The methods of the comparison: which layers each trains, and the recipe that it has before it is tuned."""

from dataclasses import dataclass
from typing import Any

from subtuning.errors import UserError
from subtuning.search.select import select
from subtuning.search.study import Changes, Settings, Study
from subtuning.tuning.tuning import How, Tuning

ALWAYS = {"linear": "linear", "best_layer": "best", "greedy": "greedy", "full": "full"}
"""The methods of every comparison -> what each trains."""


@dataclass(frozen=True)
class Point:
    """One way to train a method.

    Attributes:
        tuning: its layers, and how they are trained.
        changes: the recipe, as far as it differs from the study's.
        factor: of the method's own learning rate.
    """

    tuning: Tuning
    changes: Changes
    factor: float = 1.0

    def at(self, factor: float, lr: float, **values: Any) -> "Point":
        """The same at another learning rate, and with other recipe values or another `rank`.

        Args:
            lr: the rate that has a factor of 1.
        """
        rank = values.pop("rank", None)
        how = self.tuning.how
        options = tuple(sorted((dict(how.options) | {"rank": rank}).items())) if rank else how.options
        rate = float(f"{factor * lr:.6g}")  # 0.3 x 0.003 is 0.0009, as a person would write it
        tuning = Tuning(self.tuning.layers, How(how.name, options))
        return Point(tuning, tuple(sorted((dict(self.changes) | values | {"lr": rate}).items())), factor)


def methods(settings: Settings) -> dict[str, str]:
    """Each method by name, and the words for its layers."""
    return ALWAYS | ({"full_budget": "full"} if settings["tune.full_budget"] else {}) | settings["evaluate.subsets"]


def untuned(study: Study, name: str) -> Point | None:
    """A method as the config describes it; None where its layers are not known yet.

    Raises:
        UserError: they will never be known.
    """
    try:
        tuning = select(methods(study.settings)[name], study)
    except UserError as error:
        raise UserError(f"method {name!r}: {error}") from None
    own = study.settings["evaluate.recipes"].get(name, {})
    return None if tuning is None else Point(tuning, tuple(sorted(own.items())))
