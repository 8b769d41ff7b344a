"""The section of the config about the model that one takes home."""

from typing import Literal

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
    data: Literal["trainval", "all"] = Field(
        "trainval",
        description="What trains the delivered model. `trainval`: it is the run of the comparison, with its test "
        "score. `all`: after the comparison the method is trained once more, on the test images too; this model has "
        "no test score of its own, and its card says so. Choose it when images are few and the comparison was read.",
    )
    calibrate: bool = Field(
        False,
        description="Fit a temperature, so that the model's probabilities mean what they say: on what cross-validation "
        "says of held-out training images, never on the test. The method's folds are trained once more for it, since "
        "search keeps no probabilities. `predict.py` and `subtuning predict` use it; no answer changes.",
    )
