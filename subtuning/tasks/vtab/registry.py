"""The 19 tasks of VTAB-1k, one plain entry each; `archives.csv` has their published files.

Splits and label maps follow the official code (google-research/task_adaptation @ d7630d3, data/*.py and
scripts/run_all_tasks.sh), whose split sizes N are in its data/*_test.py. train is always the first 800 of `train` in
stored order (see `order`), val the 200 below, and nothing is tuned on test.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from subtuning.tasks.images import decode, open_as_stored
from subtuning.tasks.vtab import array_sets, dmlab, image_sets, labels, retinopathy, scenes
from subtuning.tasks.vtab.files import Archive, published_archives
from subtuning.tasks.vtab.order import Cut
from subtuning.tasks.vtab.raw import Raw

_UNKNOWN = "none that we know of; see the data set's page"
SOURCES = {
    "caltech101": ("Fei-Fei, Fergus, Perona: One-shot learning of object categories, PAMI 2006", "CC BY 4.0"),
    "cifar100": ("Krizhevsky: Learning multiple layers of features from tiny images, 2009", _UNKNOWN),
    "dtd": ("Cimpoi et al.: Describing textures in the wild, CVPR 2014", "research use"),
    "oxford_flowers102": ("Nilsback, Zisserman: Automated flower classification, ICVGIP 2008", _UNKNOWN),
    "oxford_iiit_pet": ("Parkhi et al.: Cats and dogs, CVPR 2012", "CC BY-SA 4.0"),
    "svhn": ("Netzer et al.: Reading digits in natural images, NIPS workshop 2011", "non-commercial use"),
    "sun397": ("Xiao et al.: SUN database, CVPR 2010", _UNKNOWN),
    "patch_camelyon": ("Veeling et al.: Rotation equivariant CNNs for digital pathology, arXiv:1806.03962", "CC0"),
    "eurosat": ("Helber et al.: EuroSAT, JSTARS 2019, arXiv:1709.00029", "MIT"),
    "resisc45": ("Cheng, Han, Lu: Remote sensing image scene classification, Proc. IEEE 2017", _UNKNOWN),
    "diabetic_retinopathy": ("Kaggle and EyePACS: Diabetic retinopathy detection, 2015", "the competition's rules"),
    "clevr": ("Johnson et al.: CLEVR, CVPR 2017, arXiv:1612.06890", "CC BY 4.0"),
    "dmlab": ("Zhai et al.: The visual task adaptation benchmark, arXiv:1910.04867", _UNKNOWN),
    "kitti": ("Geiger, Lenz, Urtasun: KITTI vision benchmark suite, CVPR 2012", "CC BY-NC-SA 3.0"),
    "dsprites": ("Matthey et al.: dSprites, 2017, github.com/deepmind/dsprites-dataset", "Apache-2.0"),
    "smallnorb": ("LeCun, Huang, Bottou: Learning methods for generic object recognition, CVPR 2004", "research use"),
}
"""Data set -> citation and licence."""

BY_HAND = {
    "resisc45": "1. get NWPU-RESISC45.rar from the authors (https://gcheng-nwpu.github.io/#Datasets); 2. unpack it "
    "(`unrar x`); 3. move the folder NWPU-RESISC45, with its 45 class folders, into {folder}",
    "diabetic_retinopathy": "1. accept the rules of https://www.kaggle.com/c/diabetic-retinopathy-detection; 2. "
    "download train.zip.*, test.zip.* and trainLabels.csv.zip; 3. join and unpack them so that {folder} holds "
    "train/*.jpeg, test/*.jpeg and trainLabels.csv",
}
"""Data set -> what a user must do where nothing may be downloaded."""

_ARCHIVES = published_archives()
TRAIN, VALIDATION, TEST = Cut("train", count=800), Cut("validation", count=200), Cut("test")
_AFTER_60, _AFTER_80, _AFTER_90 = (Cut("train", (percent,), 200) for percent in (60, 80, 90))


@dataclass(frozen=True)
class Entry:
    """One task: where its files are (`data_dir/<data_set>/`), how they are read, and which examples belong to it.

    `sizes` are the numbers of examples that the published splits must have; `native` is (H, W, C) where all images have
    one size.
    """

    group: str
    data_set: str
    reader: Callable[[dict[str, Path], bool], Raw]
    sizes: dict[str, int]
    val: Cut = VALIDATION
    test: Cut = TEST
    native: tuple[int, int, int] | None = None
    decode: Callable = open_as_stored

    @property
    def cuts(self) -> dict[str, Cut]:
        """The cut of each part."""
        return {"train": TRAIN, "val": self.val, "test": self.test}

    @property
    def files(self) -> tuple[Archive, ...]:
        """The published files."""
        return _ARCHIVES[self.data_set]


def _sun_decode(source: Path | bytes) -> np.ndarray:
    """SUN397 as TensorFlow Datasets stores it: upright, and encoded again as JPEG with OpenCV's default quality, 95."""
    return retinopathy.through_jpeg(decode(source, flatten=False), 95)


def _clevr(label_of: Callable[[list[dict]], int], classes: tuple[str, ...]) -> Entry:
    sizes = {"train": 70_000, "validation": 15_000}
    return Entry("structured", "clevr", scenes.clevr(label_of, classes), sizes, _AFTER_90, Cut("validation"))


def _dsprites(labels_of: Callable[[np.ndarray], np.ndarray], what: str) -> Entry:
    reader = array_sets.dsprites(labels_of, tuple(f"{what} {i} of 16" for i in range(16)))
    return Entry("structured", "dsprites", reader, {"train": 737_280}, _AFTER_80, Cut("train", (90,)), (64, 64, 1))


def _smallnorb(column: int, classes: tuple[str, ...], halved: bool) -> Entry:
    reader, val, test = array_sets.smallnorb(column, classes, halved), Cut("test", count=200), Cut("test", (50,))
    return Entry("structured", "smallnorb", reader, {"train": 24_300, "test": 24_300}, val, test, (96, 96, 1))


TASKS: dict[str, Entry] = {
    "caltech101": Entry("natural", "caltech101", image_sets.caltech101, {"train": 3_060, "test": 6_084}, _AFTER_90),
    "cifar100": Entry(
        "natural", "cifar100", array_sets.cifar100, {"train": 50_000, "test": 10_000}, _AFTER_90, native=(32, 32, 3)
    ),
    "dtd": Entry("natural", "dtd", image_sets.dtd, {"train": 1_880, "validation": 1_880, "test": 1_880}),
    "oxford_flowers102": Entry(
        "natural", "oxford_flowers102", image_sets.flowers, {"train": 1_020, "validation": 1_020, "test": 6_149}
    ),
    "oxford_iiit_pet": Entry("natural", "oxford_iiit_pet", image_sets.pets, {"train": 3_680, "test": 3_669}, _AFTER_80),
    "svhn": Entry("natural", "svhn", array_sets.svhn, {"train": 73_257, "test": 26_032}, _AFTER_90, native=(32, 32, 3)),
    # The lists in this package hold only train[:800] and validation[:200] of 76,128 and 10,875.
    "sun397": Entry(
        "natural", "sun397", image_sets.sun397, {"train": 800, "validation": 200, "test": 21_750}, decode=_sun_decode
    ),
    "patch_camelyon": Entry(
        "specialised",
        "patch_camelyon",
        array_sets.patch_camelyon,
        {"train": 262_144, "validation": 32_768, "test": 32_768},
        native=(96, 96, 3),
    ),
    "eurosat": Entry(
        "specialised", "eurosat", image_sets.eurosat, {"train": 27_000}, _AFTER_60, Cut("train", (60, 20)), (64, 64, 3)
    ),
    "resisc45": Entry(
        "specialised",
        "resisc45",
        image_sets.resisc45,
        {"train": 31_500},
        _AFTER_60,
        Cut("train", (60, 20)),
        (256, 256, 3),
    ),
    "diabetic_retinopathy": Entry(
        "specialised",
        "diabetic_retinopathy",
        retinopathy.retinopathy,
        {"train": 35_126, "validation": 10_906, "test": 42_670},
        decode=retinopathy.decode_btgraham,
    ),
    "clevr_count": _clevr(labels.clevr_count, labels.CLEVR_COUNTS),
    "clevr_dist": _clevr(labels.clevr_distance, labels.CLEVR_DISTANCES),
    "dmlab": Entry("structured", "dmlab", dmlab.dmlab, {"train": 65_550, "validation": 22_628, "test": 22_735}),
    "kitti": Entry("structured", "kitti", scenes.kitti, {"train": 6_347, "validation": 423, "test": 711}),
    "dsprites_loc": _dsprites(labels.dsprites_location, "x position"),
    "dsprites_ori": _dsprites(labels.dsprites_orientation, "orientation"),
    "smallnorb_azi": _smallnorb(2, tuple(f"azimuth {20 * i} degrees" for i in range(18)), True),
    "smallnorb_ele": _smallnorb(1, tuple(f"elevation {30 + 5 * i} degrees" for i in range(9)), False),
}
