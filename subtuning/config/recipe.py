"""The recipe of a run, and the strictness that all models of the config share."""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from subtuning.config.values import NotNegative, Positive, Share, Strategy, read_number, read_truth


class Strict(BaseModel):
    """No unknown keys, no silent conversion of types, no change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _read_texts(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        return {key: _readers(cls).get(key, lambda text: text)(value) for key, value in content.items()}


@cache
def _readers(model: type[BaseModel]) -> dict[str, Callable[[Any], Any]]:
    """What reads the values of keys that are numbers, or true or false, where they come as text."""
    fields = model.model_fields.items()
    numbers = {key: read_number for key, field in fields if _holds_numbers(field.annotation)}
    return numbers | {key: read_truth for key, field in fields if field.annotation is bool}


def _holds_numbers(kind: Any) -> bool:
    return kind in (int, float) or any(_holds_numbers(inner) for inner in get_args(kind))


class Recipe(Strict):
    """The hyperparameters of a run. A change re-trains the runs that use it, and nothing else."""

    epochs: int = Field(
        20,
        ge=1,
        le=10_000,
        description="Passes over the training images. The paper's profile uses 20. Fewer is faster; more when "
        "accuracy still rises in the last epochs.",
    )
    batch_size: int = Field(
        64,
        ge=2,
        le=65_536,
        description="Images a step. An epoch is split evenly, so that no step is much smaller than the others. Change "
        "`lr` with it.",
    )
    optimizer: Literal["adamw", "adam", "sgd"] = Field(
        "adamw", description="The optimiser; `sgd` has momentum 0.9 and wants a larger `lr`."
    )
    lr: Positive = Field(
        1e-3,
        description="Peak learning rate. The first value to try (x3, /3) when accuracy is low; lower it when runs "
        "diverge.",
    )
    weight_decay: NotNegative = Field(
        0.01,
        description="Weight decay: decoupled for `adamw`, L2 for `adam` and `sgd`. Seldom the first thing to change.",
    )
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Layer-wise learning rate decay: the head learns at `lr`, and each layer before it at so many "
        "times the rate of the layer behind it (BEiT, MAE: 0.65 to 0.75), counted over all layers of the network. Try "
        "0.75 where `full` does worse than a few layers. 1: all alike.",
    )
    schedule: Literal["cosine", "step", "constant"] = Field(
        "cosine", description="Learning rate over the steps: cosine to zero, x0.1 after each third, or constant."
    )
    warmup: Share = Field(
        0.0,
        description="Share of all steps in which the learning rate rises linearly from zero. Try 0.1 when the first "
        "epoch diverges.",
    )
    strategy: Strategy = Field(
        "all",
        description="When, and how fast, the trained layers learn. `all`: from the first step on, alike. `lp_ft`: in "
        "the first half of the steps the head alone. `gradual`: the head alone, then one layer more at a time, from "
        "the last to the first, in equal parts of the steps. `auto_rgn`: each layer's rate is scaled by its relative "
        "gradient norm, measured anew each epoch. Or one of your own (CONTRIBUTING.md). docs/strategies.md compares "
        "them.",
        examples=["all", "lp_ft", "gradual", "auto_rgn"],
    )
    augmentation: Literal["none", "flip", "crop"] = Field(
        "none",
        description="`none`, horizontal `flip`, or `crop` (random resized crop and flip); never on scored images. Use "
        "`none` where orientation or position carries the label (digits, VTAB's structured tasks).",
    )
    label_smoothing: Share = Field(
        0.0, description="Share of the target that is spread evenly over all classes. Try 0.1 when labels are noisy."
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none",
        description="What an image counts in the loss: `none`, all alike; `balanced`, inversely to how many training "
        "images its class has, so that rare classes are learnt as much as common ones. Try it with a `search.metric` "
        "other than accuracy.",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="Arithmetic of the forward and backward pass; `auto` is bf16 where the GPU or CPU has "
        "arithmetic for it, else fp32. Set it when results of different machines are compared.",
    )
    head: Literal["linear", "mlp"] = Field("linear", description="The new classifier, which is always trained.")
    head_depth: int = Field(1, ge=1, le=16, description="Hidden layers of the `mlp` head; unused if `linear`.")
    head_width: int = Field(
        64,
        ge=1,
        le=65_536,
        description="Units of each hidden layer of the `mlp` head (64 in the paper's code); unused if `linear`.",
    )

    @property
    def shared(self) -> tuple[int, int, str, str]:
        """The half that decides which images a step shows and how the trunk computes: epochs, batch size, augmentation,
        precision. The other half is what a lane does with them, in which lanes of one training may differ."""
        return (self.epochs, self.batch_size, self.augmentation, self.precision)


def _optional(field):
    kind = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    return kind | None, Field(None, description=field.description)


RecipeOverride = create_model(
    "RecipeOverride",
    __base__=Strict,
    __doc__="Values that replace those of `recipe` for one backbone or one task (the task's win).",
    **{name: _optional(field) for name, field in Recipe.model_fields.items()},
)
