"""How the searches score and train what they try."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from subtuning.config.recipe import Strict
from subtuning.config.values import Count, How, NotNegative, Seed, Several

NEED_PROBABILITIES = ("auroc", "mean_average_precision")
"""Metrics of the classes' probabilities; the others are of predicted classes."""

MULTILABEL_METRICS = ("mean_average_precision", "macro_f1", "auroc")
"""Metrics that mean something where an image has several labels."""


class Search(Strict):
    """How both searches, profile and greedy, go about it."""

    @model_validator(mode="before")
    @classmethod
    def _effort_is_new(cls, content: Any) -> Any:
        if isinstance(content, dict) and "racing" in content:
            raise ValueError("has racing, which is effort now: write effort: fast for true, effort: full for false")
        return content

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

    effort: Literal["full", "fast"] = Field(
        "full",
        description="`full`: every candidate in all folds. `fast`: candidates race, in the profile and in each greedy "
        "round; after each fold those go on whose answers say that they may still be best, at most half of them, and a "
        "later round tries only those that did well in the one before. Among near-equal candidates it may choose "
        "another one. docs/stopping.md has how often, and what it saves.",
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


class Greedy(Strict):
    """Greedy-SubTuning: grow (or shrink) the subset one layer a round, scored by cross-validation."""

    start: Literal["linear", "full", "best"] = Field(
        "linear", description="`linear`: add layers. `full`: remove layers. `best`: do both and keep the better."
    )
    folds: Several = Field(
        5, description="Folds. With the profile's number, round 1 costs nothing: its runs are the profile's."
    )
    split: Literal["cv", "val"] = Field(
        "cv",
        description="What scores a candidate: `cv`, cross-validation on train + val, or `val` (one run, trained on "
        "train: cheaper and noisier).",
    )
    max_rounds: Count = Field(
        4,
        description="Rounds at most; with `start: linear`, the size of the largest subset. Raising it later trains "
        "only the new rounds.",
    )
    stop: Literal["test", "one_se", "epsilon"] = Field(
        "test",
        description="Which layers are kept after the rounds. `test`: the fewest that the end of the search does not "
        "beat significantly (p < 0.05, corrected for all candidates tried). `one_se`: the fewest within one standard "
        "error of it. `epsilon`: all. docs/stopping.md has how often each errs; a change never trains a search anew.",
    )
    epsilon: NotNegative = Field(
        0.0,
        description="Whatever `stop` is, a round must improve accuracy (0-1) by more than this, else it and all after "
        "it are not kept. Raise it for smaller subsets; a change never trains a search anew.",
    )
    cost: Literal["none", "parameters", "flops"] = Field(
        "none",
        description="What a subset costs, as a share (0-1) of what all layers cost: `parameters`, those of its layers; "
        "`flops`, those from its lowest layer on, which a further task adds to a network that serves one already and "
        "on which its time depends (docs/multitask.md). `none`: the search looks at the score alone.",
    )
    cost_cap: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="Candidates that cost a larger share are not tried. Below 1 it needs `start: linear`."
    )
    cost_weight: NotNegative = Field(
        0.0,
        description="So much score (0-1) all layers together must be worth: a candidate's score less this times its "
        "share decides which is best and whether a round improves. 0.05: five points for the whole network. Stored "
        "scores and runs stay as they are, so a change trains only what is newly tried.",
    )
    shards: Count = Field(
        1, description="Jobs over which the candidates of a round are spread. Raise it to use several GPUs at once."
    )


def check_cost(search: Search, greedy: Greedy) -> None:
    """Raise `ValueError` for keys of the cost that change nothing, or that a race or the start of a search forbids."""
    if search.effort == "fast" and greedy.cost_weight:
        raise ValueError(
            "search.effort fast drops candidates by their score alone, which greedy.cost_weight does not; set "
            "search.effort to full"
        )
    given = ["cost_cap"] * (greedy.cost_cap < 1) + ["cost_weight"] * (greedy.cost_weight > 0)
    if greedy.cost == "none" and given:
        raise ValueError(f"greedy.{given[0]} needs greedy.cost, which says what counts: parameters or flops")
    if greedy.cost != "none" and not given:
        raise ValueError(f"greedy.cost {greedy.cost!r} changes nothing without greedy.cost_cap or cost_weight")
    if greedy.cost_cap < 1 and greedy.start != "linear":
        raise ValueError(f"greedy.cost_cap needs start: linear; start: {greedy.start} begins with all layers")
