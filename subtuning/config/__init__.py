"""What a user may write in a config file: the typed models, their loading, and the documents made from them."""

from subtuning.config.load import load_config, parse_config, parse_entry, read_yaml
from subtuning.config.models import (
    Backbone,
    Config,
    Evaluate,
    Greedy,
    Profile,
    Recipe,
    Task,
)
from subtuning.config.values import WEIGHT_FILES

__all__ = [
    "WEIGHT_FILES",
    "Backbone",
    "Config",
    "Evaluate",
    "Greedy",
    "Profile",
    "Recipe",
    "Task",
    "load_config",
    "parse_config",
    "parse_entry",
    "read_yaml",
]
