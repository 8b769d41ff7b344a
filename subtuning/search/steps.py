"""The one list of steps that rules, verbs, `status`, `plan`, `clean` and the dry run walk."""

from typing import Any

from subtuning.config import Config
from subtuning.registry import find
from subtuning.search.study import Settings, Step

ALWAYS = ("profile", "tuned_profile", "greedy", "rankings", "tune", "evaluation")
"""The experiments of every study; the config may name more."""

PARTS = ("profile", "greedy", "search", "tune", "evaluate")


def settings_of(config: Config, backbone: str) -> dict[str, Any]:
    """What the config says about the studies of one backbone, by key."""
    found = {f"{part}.{key}": value for part in PARTS for key, value in getattr(config, part)}
    found |= {f"experiments.{name}": options for name, options in config.experiments.items()}
    methods = {"evaluate.subsets": config.subsets_of(backbone), "evaluate.recipes": config.recipes_of(backbone)}
    return found | methods | {"experiments": list(config.experiments)}


def steps_of(settings: Settings) -> list[Step]:
    """All steps of a study, each after those that it needs.

    Raises:
        UserError: an experiment that does not exist, or whose options are wrong.
    """
    extra = {name: f"experiments.{name}" for name in settings["experiments"]}
    modules = [find("experiments", name, extra.get(name, "")) for name in dict.fromkeys((*ALWAYS, *extra))]
    return [module.step(name, settings) for module in modules for name in module.names(settings)]


def step_named(name: str, settings: Settings) -> Step:
    """One step. Raises `UserError` if there is none of this name."""
    return find("experiments", name.partition("/")[0], "step").step(name, settings)


def read_by(step: Step, settings: Settings) -> dict[str, Any]:
    """Those of the settings that a step reads: if none of them changes, neither does the step."""
    return {key: settings[key] for key in step.reads}
