"""How the searches score and train what they try."""

from typing import Literal

from pydantic import Field

from subtuning.config.recipe import Strict
from subtuning.config.values import Count, How, Seed

NEED_PROBABILITIES = ("auroc", "mean_average_precision")
"""Metrics of the classes' probabilities; the others are of predicted classes."""

MULTILABEL_METRICS = ("mean_average_precision", "macro_f1", "auroc")
"""Metrics that mean something where an image has several labels."""


class Search(Strict):
    """How both searches, profile and greedy, go about it."""

    metric: Literal[
        "accuracy", "balanced_accuracy", "macro_f1", "auroc", "mean_average_precision", "quadratic_kappa"
    ] = Field(
        "accuracy",
        description="What layers and recipes are chosen by, and what the tables show: `accuracy`, the share of right "
        "answers; the mean over the classes of their recall (`balanced_accuracy`), F1 (`macro_f1`), area under the ROC "
        "curve (`auroc`) or average precision (`mean_average_precision`), in which rare classes count as much as "
        "common ones; or `quadratic_kappa` where classes are grades in an order. Computed from stored answers: a "
        "change trains only what is newly chosen, but to `auroc` and `mean_average_precision`, which need "
        "probabilities, also anew what was trained without keeping them. Multi-label tasks take "
        "`mean_average_precision`, `macro_f1` or `auroc`.",
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
