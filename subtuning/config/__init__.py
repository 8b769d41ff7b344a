"""What a user may write in a config file: the typed models, their loading, and the documents made from them."""

from subtuning.config.load import load_config, parse_config, parse_entry, read_yaml
from subtuning.config.models import BackboneEntry, Config
from subtuning.config.recipe import Recipe
from subtuning.config.tasks import TaskEntry
from subtuning.config.values import WEIGHT_FILES

__all__ = ["WEIGHT_FILES", "BackboneEntry", "Config", "Recipe", "TaskEntry"]
__all__ += ["load_config", "parse_config", "parse_entry", "read_yaml"]
