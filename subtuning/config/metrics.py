"""What `search.metric` and a multi-label task do not go together with; all of it is known before any training."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from subtuning.config.search import MULTILABEL_METRICS, NEED_PROBABILITIES
from subtuning.config.words import one_of

if TYPE_CHECKING:
    from subtuning.config.models import Config


def check_metric(config: "Config") -> None:
    """Raise `ValueError` for a metric that a race, or a multi-label task, cannot use, and for such a task's recipe."""
    metric = config.search.metric
    if config.search.effort == "fast" and metric != "accuracy":
        raise ValueError(
            f"search.effort fast counts right answers, which search.metric {metric!r} does not; set search.effort to "
            "full"
        )
    for task in (name for name, entry in config.tasks.items() if entry.multilabel):
        if problem := metric_problem(metric):
            raise ValueError(f"tasks.{task}: {problem}")
        for backbone in config.backbones:
            recipe = config.recipe_of(task, backbone).model_dump()
            for where, values in {"recipe": recipe, **_of_methods(config)}.items():
                if problem := recipe_problem(values, where):
                    raise ValueError(f"tasks.{task}: {problem}")


def metric_problem(metric: str) -> str:
    """Why a multi-label task cannot be scored by this metric; empty if it can."""
    if metric in MULTILABEL_METRICS:
        return ""
    right = one_of(list(MULTILABEL_METRICS)).replace("`", "")
    return f"its images may have several labels, which search.metric {metric!r} does not score; set it to {right}"


def recipe_problem(recipe: Mapping[str, Any], where: str = "recipe") -> str:
    """Why a multi-label task cannot be trained by these values of a recipe; empty if it can."""
    for key, off in (("label_smoothing", 0), ("class_weights", "none")):
        if recipe.get(key, off) not in (off, None):
            return f"{where}.{key} is for tasks whose images have one label; set it to {off}"
    return ""


def needs_probabilities(settings: Mapping[str, Any], multilabel: bool) -> bool:
    """Whether runs of the search must keep the classes' probabilities; those of multi-label tasks always do, which
    leaves all their metrics open. `settings` has `search.metric`."""
    return multilabel or settings["search.metric"] in NEED_PROBABILITIES


def _of_methods(config: "Config") -> dict[str, dict[str, Any]]:
    return {f"evaluate.recipes.{name}": own.model_dump() for name, own in config.evaluate.recipes.items()}
