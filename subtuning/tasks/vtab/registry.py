"""The 19 tasks of VTAB-1k, one plain entry each.

Splits and label maps follow the official code (google-research/task_adaptation @ d7630d3, data/*.py and
scripts/run_all_tasks.sh), whose split sizes N are in its data/*_test.py. train is always the first 800 of `train` in
stored order (see `order`), val the 200 below, and nothing is tuned on test.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from subtuning.tasks.images import decode, open_as_stored
from subtuning.tasks.vtab import archives, array_sets, dmlab, image_sets, labels, retinopathy, scenes
from subtuning.tasks.vtab.files import Archive
from subtuning.tasks.vtab.order import Cut
from subtuning.tasks.vtab.raw import Raw

TRAIN = Cut("train", count=800)
TEST = Cut("test")
VALIDATION = Cut("validation", count=200)


@dataclass(frozen=True)
class Entry:
    """One task: where its files are (`data_dir/<data_set>/`), how they are read, and which examples belong to it.

    `sizes` are the numbers of examples that the published splits must have; `native` is (H, W, C) where all images have
    one size; `source` names licence and origin; `by_hand` says what a user must do where nothing may be downloaded.
    """

    group: str
    data_set: str
    files: tuple[Archive, ...]
    reader: Callable[[dict[str, Path], bool], Raw]
    sizes: dict[str, int]
    val: Cut
    test: Cut
    source: dict[str, str]
    native: tuple[int, int, int] | None = None
    train: Cut = TRAIN
    decode: Callable = open_as_stored
    by_hand: str = ""

    @property
    def cuts(self) -> dict[str, Cut]:
        """The cut of each part."""
        return {"train": self.train, "val": self.val, "test": self.test}


def _from(citation: str, licence: str) -> dict[str, str]:
    return {"citation": citation, "licence": licence}


def _sun_decode(source: Path | bytes) -> np.ndarray:
    """SUN397 as TensorFlow Datasets stores it: upright, and encoded again as JPEG with OpenCV's default quality, 95."""
    return retinopathy.through_jpeg(decode(source, flatten=False), 95)


_RESISC_BY_HAND = (
    "1. get NWPU-RESISC45.rar from the authors (https://gcheng-nwpu.github.io/#Datasets); 2. unpack it (`unrar x`); "
    "3. move the folder NWPU-RESISC45, with its 45 class folders, into {folder}"
)
_RETINOPATHY_BY_HAND = (
    "1. accept the rules of https://www.kaggle.com/c/diabetic-retinopathy-detection; 2. download train.zip.*, "
    "test.zip.* and trainLabels.csv.zip; 3. join and unpack them so that {folder} holds train/*.jpeg, test/*.jpeg "
    "and trainLabels.csv"
)
_CLEVR_SIZES = {"train": 70_000, "validation": 15_000}
_CLEVR_SOURCE = _from("Johnson et al.: CLEVR, CVPR 2017, arXiv:1612.06890", "CC BY 4.0")
_DSPRITES_SOURCE = _from("Matthey et al.: dSprites, 2017, github.com/deepmind/dsprites-dataset", "Apache-2.0")
_NORB_SIZES = {"train": 24_300, "test": 24_300}
_NORB_SOURCE = _from("LeCun, Huang, Bottou: Learning methods for generic object recognition, CVPR 2004", "research use")
_NONE = "none that we know of; see the data set's page"


def _clevr(label_of, classes) -> Entry:
    return Entry(
        "structured",
        "clevr",
        archives.CLEVR,
        scenes.clevr(label_of, classes),
        sizes=_CLEVR_SIZES,
        val=Cut("train", (90,), 200),
        test=Cut("validation"),
        source=_CLEVR_SOURCE,
    )


def _dsprites(labels_of, what: str) -> Entry:
    classes = tuple(f"{what} {i} of 16" for i in range(16))
    return Entry(
        "structured",
        "dsprites",
        archives.DSPRITES,
        array_sets.dsprites(labels_of, classes),
        sizes={"train": 737_280},
        val=Cut("train", (80,), 200),
        test=Cut("train", (90,)),
        source=_DSPRITES_SOURCE,
        native=(64, 64, 1),
    )


def _smallnorb(column: int, classes: tuple[str, ...], halved: bool) -> Entry:
    return Entry(
        "structured",
        "smallnorb",
        archives.SMALLNORB,
        array_sets.smallnorb(column, classes, halved),
        sizes=_NORB_SIZES,
        val=Cut("test", count=200),
        test=Cut("test", (50,)),
        source=_NORB_SOURCE,
        native=(96, 96, 1),
    )


TASKS: dict[str, Entry] = {
    "caltech101": Entry(
        "natural",
        "caltech101",
        archives.CALTECH101,
        image_sets.caltech101,
        sizes={"train": 3_060, "test": 6_084},
        val=Cut("train", (90,), 200),
        test=TEST,
        source=_from("Fei-Fei, Fergus, Perona: One-shot learning of object categories, PAMI 2006", "CC BY 4.0"),
    ),
    "cifar100": Entry(
        "natural",
        "cifar100",
        archives.CIFAR100,
        array_sets.cifar100,
        sizes={"train": 50_000, "test": 10_000},
        val=Cut("train", (90,), 200),
        test=TEST,
        source=_from("Krizhevsky: Learning multiple layers of features from tiny images, 2009", _NONE),
        native=(32, 32, 3),
    ),
    "dtd": Entry(
        "natural",
        "dtd",
        archives.DTD,
        image_sets.dtd,
        sizes={"train": 1_880, "validation": 1_880, "test": 1_880},
        val=VALIDATION,
        test=TEST,
        source=_from("Cimpoi et al.: Describing textures in the wild, CVPR 2014", "research use"),
    ),
    "oxford_flowers102": Entry(
        "natural",
        "oxford_flowers102",
        archives.FLOWERS,
        image_sets.flowers,
        sizes={"train": 1_020, "validation": 1_020, "test": 6_149},
        val=VALIDATION,
        test=TEST,
        source=_from("Nilsback, Zisserman: Automated flower classification, ICVGIP 2008", _NONE),
    ),
    "oxford_iiit_pet": Entry(
        "natural",
        "oxford_iiit_pet",
        archives.PETS,
        image_sets.pets,
        sizes={"train": 3_680, "test": 3_669},
        val=Cut("train", (80,), 200),
        test=TEST,
        source=_from("Parkhi et al.: Cats and dogs, CVPR 2012", "CC BY-SA 4.0"),
    ),
    "svhn": Entry(
        "natural",
        "svhn",
        archives.SVHN,
        array_sets.svhn,
        sizes={"train": 73_257, "test": 26_032},
        val=Cut("train", (90,), 200),
        test=TEST,
        source=_from("Netzer et al.: Reading digits in natural images, NIPS workshop 2011", "non-commercial use"),
        native=(32, 32, 3),
    ),
    "sun397": Entry(
        "natural",
        "sun397",
        archives.SUN397,
        image_sets.sun397,
        # The lists in this package hold only train[:800] and validation[:200] of 76,128 and 10,875.
        sizes={"train": 800, "validation": 200, "test": 21_750},
        val=VALIDATION,
        test=TEST,
        source=_from("Xiao et al.: SUN database, CVPR 2010", _NONE),
        decode=_sun_decode,
    ),
    "patch_camelyon": Entry(
        "specialised",
        "patch_camelyon",
        archives.PCAM,
        array_sets.patch_camelyon,
        sizes={"train": 262_144, "validation": 32_768, "test": 32_768},
        val=VALIDATION,
        test=TEST,
        source=_from("Veeling et al.: Rotation equivariant CNNs for digital pathology, arXiv:1806.03962", "CC0"),
        native=(96, 96, 3),
    ),
    "eurosat": Entry(
        "specialised",
        "eurosat",
        archives.EUROSAT,
        image_sets.eurosat,
        sizes={"train": 27_000},
        val=Cut("train", (60,), 200),
        test=Cut("train", (60, 20)),
        source=_from("Helber et al.: EuroSAT, JSTARS 2019, arXiv:1709.00029", "MIT"),
        native=(64, 64, 3),
    ),
    "resisc45": Entry(
        "specialised",
        "resisc45",
        archives.RESISC45,
        image_sets.resisc45,
        sizes={"train": 31_500},
        val=Cut("train", (60,), 200),
        test=Cut("train", (60, 20)),
        source=_from("Cheng, Han, Lu: Remote sensing image scene classification, Proc. IEEE 2017", _NONE),
        native=(256, 256, 3),
        by_hand=_RESISC_BY_HAND,
    ),
    "diabetic_retinopathy": Entry(
        "specialised",
        "diabetic_retinopathy",
        archives.RETINOPATHY,
        retinopathy.retinopathy,
        sizes={"train": 35_126, "validation": 10_906, "test": 42_670},
        val=VALIDATION,
        test=TEST,
        source=_from("Kaggle and EyePACS: Diabetic retinopathy detection, 2015", "the competition's rules"),
        decode=retinopathy.decode_btgraham,
        by_hand=_RETINOPATHY_BY_HAND,
    ),
    "clevr_count": _clevr(labels.clevr_count, labels.CLEVR_COUNTS),
    "clevr_dist": _clevr(labels.clevr_distance, labels.CLEVR_DISTANCES),
    "dmlab": Entry(
        "structured",
        "dmlab",
        archives.DMLAB,
        dmlab.dmlab,
        sizes={"train": 65_550, "validation": 22_628, "test": 22_735},
        val=VALIDATION,
        test=TEST,
        source=_from("Zhai et al.: The visual task adaptation benchmark, arXiv:1910.04867", _NONE),
    ),
    "kitti": Entry(
        "structured",
        "kitti",
        archives.KITTI,
        scenes.kitti,
        sizes={"train": 6_347, "validation": 423, "test": 711},
        val=VALIDATION,
        test=TEST,
        source=_from("Geiger, Lenz, Urtasun: KITTI vision benchmark suite, CVPR 2012", "CC BY-NC-SA 3.0"),
    ),
    "dsprites_loc": _dsprites(labels.dsprites_location, "x position"),
    "dsprites_ori": _dsprites(labels.dsprites_orientation, "orientation"),
    "smallnorb_azi": _smallnorb(2, tuple(f"azimuth {20 * i} degrees" for i in range(18)), True),
    "smallnorb_ele": _smallnorb(1, tuple(f"elevation {30 + 5 * i} degrees" for i in range(9)), False),
}
GROUPS = ("natural", "specialised", "structured")
