"""What identifies a run, the record of a run, and the store of finished runs. No torch here."""

from subtuning.runs.identity import Backbone, Run, Split
from subtuning.runs.store import Store

__all__ = ["Backbone", "Run", "Split", "Store"]
