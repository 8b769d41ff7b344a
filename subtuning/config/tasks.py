"""The tasks of the config: one model for each source of images."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from subtuning.config.recipe import RecipeOverride, Strict
from subtuning.config.values import Column, PathText, Pixels, Seed, ShareOrCount, TrainImages


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

    def plain(self) -> dict[str, Any]:
        """What decides the converted images, as plain values; how to train on them does not."""
        unused = {"train_images", "draw"} if self.train_images == "all" else set()
        return self.model_dump(mode="json", exclude={"recipe", *unused})


class BuiltinTask(TaskBase):
    """A data set that an installed package ships: nothing to download."""

    source: Literal["builtin"] = Field(description="Where the images come from.")
    name: Literal["digits"] = Field(
        "digits", description="`digits`: scikit-learn's 1,797 handwritten digits, split 800 / 200 / 797, stratified."
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


TaskEntry = Annotated[
    BuiltinTask | FolderTask | CsvTask | ImageListTask | ArraysTask | VtabTask, Field(discriminator="source")
]

SOURCES = {get_args(kind.model_fields["source"].annotation)[0]: kind for kind in get_args(get_args(TaskEntry)[0])}
"""The value of a task's `source` -> the model that checks its entry."""
