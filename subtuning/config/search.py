"""How the searches score and train what they try."""

from typing import Any, Literal

from pydantic import Field, field_validator

from subtuning.config.recipe import Strict
from subtuning.config.values import Count, How, Seed


class Search(Strict):
    """How both searches, profile and greedy, go about it."""

    metric: Literal["accuracy", "balanced_accuracy", "macro_f1", "quadratic_kappa"] = Field(
        "accuracy",
        description="What layers and recipes are chosen by, and what the tables show: `accuracy`, the share of right "
        "answers; the mean recall of the classes (`balanced_accuracy`) or their mean F1 (`macro_f1`), in which rare "
        "classes count as much as common ones; or `quadratic_kappa` where classes are grades in an order. Computed "
        "from stored predictions: a change trains only what is newly chosen.",
    )

    racing: bool = Field(
        False,
        description="In greedy rounds after the profile's, stop training candidates whose answers so far say that they "
        "can hardly overtake the leader. Saves about half of these trainings; with near-equal candidates "
        "it may choose another one. docs/performance.md has how often.",
    )
    how: How = Field(
        "weights",
        description="How both train a layer, such as `biases` or `lora(rank=4)`; docs/methods.md has them all. Layers "
        "with nothing to train in this way are left out. `linear` and `full` stay as they are.",
        examples=["weights", "biases", "lora(rank=4)"],
    )
    seeds: Count = Field(
        1,
        description="Seeds of every run of the cross-validation, whose scores are averaged, so that chance in training "
        "(the head's first weights, the order of images) decides less. Costs as many times the training; adding one "
        "trains only that one.",
    )
    first_seed: Seed = Field(
        0,
        description="The seed from which those of search and evaluation are counted. Another one, such as 100, makes "
        "the whole procedure again with other first heads and orders of images: does it come to the same layers? The "
        "folds stay the same.",
    )

    @field_validator("metric", mode="before")
    @classmethod
    def _kept_for_all_runs(cls, value: Any) -> Any:
        if value == "auroc":
            raise ValueError(
                "must be accuracy, balanced_accuracy, macro_f1 or quadratic_kappa: auroc needs probabilities, which "
                "only test runs keep, and stands in evaluation.csv whatever the metric is"
            )
        return value
