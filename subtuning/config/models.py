"""The config, defined once: types, defaults, units, and when to change a value.

`workflow/schemas/config.schema.json` and the reference in `config/README.md` are generated from these models
(`subtuning schema --write`), and a test keeps them in step.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, create_model, model_validator

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""Names become folder names and Snakemake wildcards, so they hold no slash, space or shell character."""

RESERVED_NAMES = frozenset("backbones benchmarks checkpoints data figures logs runs tables tasks tensorboard".split())
"""Folders of `results/` that do not belong to one task."""


def _not_reserved(name: str) -> str:
    if name in RESERVED_NAMES or ".." in name:
        raise ValueError(f"the name {name!r} is a folder of results/ or holds '..'; choose another name")
    return name


def _number(value: Any) -> Any:
    # YAML 1.1 reads 1e-3 (no dot) as text; everybody writes it.
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


Name = Annotated[str, Field(pattern=NAME_PATTERN), AfterValidator(_not_reserved)]
Number = Annotated[float, BeforeValidator(_number)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, lt=1)]
Channels = Annotated[list[NotNegative], Field(min_length=3, max_length=3)]
Pixels = Annotated[int, Field(ge=8, le=4096)]


class _Strict(BaseModel):
    """No unknown keys, no silent conversion of types, no change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Recipe(_Strict):
    """The hyperparameters of a run. A change re-trains the runs that use it, and nothing else."""

    epochs: int = Field(
        20, ge=1, description="Passes over the training images. The paper's profile uses 20; fewer is faster."
    )
    batch_size: int = Field(
        64,
        ge=2,
        description="Images a step. An epoch is split evenly, so that no step is much smaller than the others.",
    )
    optimizer: Literal["adamw", "adam", "sgd"] = Field("adamw", description="The optimiser; `sgd` has momentum 0.9.")
    lr: Positive = Field(1e-3, description="Peak learning rate. The first value to try (x3, /3) when accuracy is low.")
    weight_decay: NotNegative = Field(0.01, description="Weight decay: decoupled for `adamw`, L2 for `adam` and `sgd`.")
    schedule: Literal["cosine", "step", "constant"] = Field(
        "cosine", description="Learning rate over the steps: cosine to zero, x0.1 after each third, or constant."
    )
    warmup: Share = Field(0.0, description="Share of all steps in which the learning rate rises linearly from zero.")
    augmentation: Literal["none", "flip", "crop"] = Field(
        "none",
        description="`none`, horizontal `flip`, or `crop` (random resized crop and flip); never on scored images. Use `none` "
        "where orientation or position carries the label (digits, VTAB's structured tasks).",
    )
    label_smoothing: Share = Field(0.0, description="Share of the target that is spread evenly over all classes.")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="Arithmetic of the forward and backward pass; `auto` is bf16 on a GPU that has it, else fp32.",
    )
    head: Literal["linear", "mlp"] = Field("linear", description="The new classifier, which is always trained.")
    head_depth: int = Field(1, ge=1, description="Hidden layers of the `mlp` head.")
    head_width: int = Field(
        64, ge=1, description="Units of each hidden layer of the `mlp` head (64 in the paper's code)."
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


class _TaskBase(_Strict):
    stored_size: Pixels = Field(
        256,
        description="Pixels a side at which images are stored. Images that all have one size, no larger than this, are kept as "
        "they are; others are resized to a square of this size. Choose at least the backbones' input size.",
    )
    resize: Literal["bilinear", "bicubic"] = Field("bilinear", description="Filter of that resize; always antialiased.")
    recipe: RecipeOverride = Field(default_factory=RecipeOverride, description="Recipe values for this task only.")


class BuiltinTask(_TaskBase):
    """A data set that an installed package ships: nothing to download."""

    source: Literal["builtin"]
    name: Literal["digits"] = Field(
        "digits", description="`digits`: scikit-learn's 1,797 handwritten digits, split 800 / 200 / 797, stratified."
    )


class FolderTask(_TaskBase):
    """A folder of images with one subfolder a class, or with `train/`, `test/` (and `val/`) that have one subfolder a class."""

    source: Literal["folder"]
    path: str = Field(description="The folder, relative to where the workflow runs.", min_length=1)
    val: float | int = Field(
        0.2,
        gt=0,
        description="Images that become the val part: a share below 1, or a count. Unused if there is `val/`.",
    )
    test: float | int = Field(
        0.2,
        gt=0,
        description="Images that become the test part: a share below 1, or a count. Unused if there is `test/`.",
    )
    split_seed: int = Field(0, ge=0, description="Seed of the stratified split.")


class ImageListTask(_TaskBase):
    """The community's VTAB-1k folders: `train800.txt`, `val200.txt`, `train800val200.txt`, `test.txt` with lines `path label`."""

    source: Literal["image_list"]
    path: str = Field(description="The folder that holds the lists; the lists' paths are relative to it.", min_length=1)


class ArraysTask(_TaskBase):
    """A NumPy `.npz` file with x_train, y_train, x_test, y_test and, if you have them, x_val, y_val and class_names."""

    source: Literal["arrays"]
    path: str = Field(
        description="The `.npz` file; x_* are uint8, N x H x W (x 1 or 3), y_* whole numbers from 0.", min_length=1
    )
    val: float | int = Field(
        0.2, gt=0, description="Share or count of x_train that becomes val where the file has no x_val."
    )
    split_seed: int = Field(0, ge=0, description="Seed of that stratified split.")


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


class VtabTask(_TaskBase):
    """One of the 19 tasks of VTAB-1k, with the official 800 / 200 / test images (docs/vtab1k.md)."""

    source: Literal["vtab"]
    name: VTAB_TASKS = Field(description="The task: 7 natural, 4 specialised and 8 structured ones, in VTAB's order.")
    data_dir: str = Field(
        "results/data",
        description="The folder of the published archives, `<data_dir>/<data set>/`; what is missing is fetched there.",
        min_length=1,
    )
    stored_size: Pixels = Field(
        224, description="As for other tasks, but 224 by default: VTAB resizes the original straight to the input size."
    )
    resize: Literal["bilinear", "bicubic", "bilinear_plain", "legacy_bilinear"] = Field(
        "bilinear",
        description="Filter of that resize: antialiased `bilinear` or `bicubic` (most other code bases), `bilinear_plain` "
        "without antialiasing, or `legacy_bilinear`, TensorFlow 1's, which the official VTAB code uses.",
    )


Task = Annotated[BuiltinTask | FolderTask | ImageListTask | ArraysTask | VtabTask, Field(discriminator="source")]


class Backbone(_Strict):
    """A pretrained timm model."""

    model: str = Field(
        description="The timm model name, e.g. `resnet50.tv2_in1k`; `subtuning layers MODEL` shows its layers."
    )
    weights: str = Field(
        "timm",
        description="`timm` (fetched once from the hub), `package:<import name>` (weights inside an installed package), the path of "
        "a `.safetensors` or `.pth` file, or `random` (for tests and timing only: nothing is pretrained).",
        min_length=1,
    )
    input_size: Pixels | None = Field(
        None,
        description="Pixels a side of the images the model sees; the model's own default if not given. Smaller is faster.",
    )
    interpolation: Literal["bilinear", "bicubic"] = Field(
        "bilinear", description="Filter of the resize from the stored to the input size; antialiased when it shrinks."
    )
    mean: Channels | None = Field(None, description="Channel means (0-1); the model's own if not given.")
    std: Channels | None = Field(None, description="Channel spreads (0-1); the model's own if not given.")
    granularity: Literal["layer", "stage"] = Field(
        "layer", description="What counts as one layer: a block, or a whole stage."
    )
    recipe: RecipeOverride = Field(default_factory=RecipeOverride, description="Recipe values for this backbone only.")


class Profile(_Strict):
    """The finetuning profile: every layer trained alone, scored by cross-validation on train + val."""

    folds: int = Field(5, ge=2, description="Folds of the cross-validation. More folds: narrower intervals, more runs.")
    test_seeds: int = Field(
        0, ge=0, description="Seeds of a second profile on the test set (the paper's picture); never selects."
    )
    shards: int = Field(
        1, ge=1, description="Jobs over which the layers are spread. Raise it to use several GPUs at once."
    )


class Greedy(_Strict):
    """Greedy-SubTuning: grow (or shrink) the subset one layer a round, scored by cross-validation."""

    start: Literal["linear", "full", "best"] = Field(
        "linear", description="`linear`: add layers. `full`: remove layers. `best`: do both and keep the better."
    )
    folds: int = Field(
        5, ge=2, description="Folds. With the profile's number, round 1 costs nothing: its runs are the profile's."
    )
    split: Literal["cv", "val"] = Field(
        "cv",
        description="What scores a candidate: `cv`, cross-validation on train + val, or `val` (one run, trained on train).",
    )
    max_rounds: int = Field(4, ge=1, description="Rounds at most. Raising it later trains only the new rounds.")
    epsilon: NotNegative = Field(
        0.0, description="A round must improve accuracy (0-1) by more than this. A change never trains anything."
    )
    shards: int = Field(1, ge=1, description="Jobs over which the candidates of a round are spread.")


class Evaluate(_Strict):
    """Retrain on train + val with several seeds and test once, at the last epoch."""

    seeds: int = Field(
        5, ge=2, description="Seeds, from 0. Adding one trains only that one. p < 0.05 needs at least 6."
    )
    subsets: dict[Name, list[str]] = Field(
        default_factory=dict, description="Further subsets to compare, by name: `{mine: [layer3.0, layer4.2]}`."
    )

    @model_validator(mode="after")
    def _own_names(self):
        for name in self.subsets:
            if name in {"linear", "full", "best_layer", "greedy"}:
                raise ValueError(f"subsets: {name!r} is the name of a method that is always compared; choose another")
        return self


class Config(_Strict):
    """Everything the workflow is told. Where it runs (cores, GPUs, memory, cluster) is a profile's matter, not the config's."""

    tasks: dict[Name, Task] = Field(description="The labelled image sets, by name.", min_length=1)
    backbones: dict[Name, Backbone] = Field(description="The pretrained models, by name.", min_length=1)
    recipe: Recipe = Field(default_factory=Recipe, description=Recipe.__doc__)
    profile: Profile = Field(default_factory=Profile, description=Profile.__doc__)
    greedy: Greedy = Field(default_factory=Greedy, description=Greedy.__doc__)
    evaluate: Evaluate = Field(default_factory=Evaluate, description=Evaluate.__doc__)

    def recipe_of(self, task: str, backbone: str) -> Recipe:
        """The recipe of one pair: the common one, changed by the backbone's overrides, then by the task's."""
        merged = self.recipe.model_dump()
        for override in (self.backbones[backbone].recipe, self.tasks[task].recipe):
            merged |= {key: value for key, value in override.model_dump().items() if value is not None}
        return Recipe(**merged)
