"""The section of the config about the model that one takes home."""

from pydantic import Field

from subtuning.config.recipe import Strict


class Deliver(Strict):
    """The model to take home: `results/<task>/<backbone>/model/`, a folder that timm loads (docs/model.md)."""

    method: str = Field(
        "greedy",
        description="The row of the comparison that is delivered: `greedy`, `best_layer`, `full`, `linear` or a named "
        "subset. `none` delivers nothing. Delivered is the run of seed 0, so `evaluate.models` must be true. A change "
        "trains nothing.",
        examples=["greedy", "full", "none"],
    )
