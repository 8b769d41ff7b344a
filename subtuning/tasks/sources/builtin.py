"""`source: builtin`: data that an installed package ships."""

import numpy as np

from subtuning.tasks.source import PARTS, Item, Source
from subtuning.tasks.splits import take

DIGITS_TEST, DIGITS_VAL = 797, 200


def open_source(spec, workers: int = 1, progress: bool = False) -> Source:
    """The 1,797 handwritten digits of scikit-learn, 8 x 8 x 1: 800 train, 200 val, 797 test, stratified, fixed.

    Their ink levels 0 to 16 become (255 v + 8) // 16, i.e. 255 v / 16 rounded, so that 16 is 255.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    images = ((data.images.astype(np.int64) * 255 + 8) // 16).astype(np.uint8)[..., None]
    rest, test = take(data.target, DIGITS_TEST, 0, "digits")
    train, val = take(data.target[rest], DIGITS_VAL, 0, "digits")
    index = dict(zip(PARTS, (rest[train], rest[val], test), strict=True))

    def items():
        for part in PARTS:
            for row, i in enumerate(index[part]):
                yield Item(part, row, f"digit {i}", images[i])

    return Source(
        classes=tuple(str(name) for name in data.target_names),
        labels={part: data.target[rows].astype(np.int64) for part, rows in index.items()},
        items=items,
        image_size=(8, 8, 1),
        decode=None,
        channels=1,
        about={
            "licence": "CC BY 4.0",
            "citation": "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits (test part), UCI Machine "
            "Learning Repository, 1998, doi:10.24432/C50P49; from scikit-learn",
        },
    )
