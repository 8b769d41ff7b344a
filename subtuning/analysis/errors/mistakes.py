"""Which images are taken for another class, the most confident mistakes first."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def mistakes_table(
    predicted: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    images: Sequence[str | int],
    probabilities: np.ndarray | None = None,
) -> pd.DataFrame:
    """A row an image that the runs together take for another class, by how sure they are.

    Args:
        predicted: the classes that S runs said of N images, S x N.
        labels: N.
        images: what the N images are called.
        probabilities: N x C, the mean over the runs; if not given, the share of runs that said each class.

    Returns:
        `row` (of the image in its part, from 0), `image` (its name), `label`, `predicted` (names of classes),
        `probability` (0-1, of the predicted class), `label_probability` (of the right one), `wrong` (of the runs).
    """
    if probabilities is None:
        probabilities = np.stack([(predicted == number).mean(0) for number in range(len(classes))], axis=1)
    said = probabilities.argmax(1)
    rows = np.flatnonzero(said != labels)
    sure = probabilities[rows, said[rows]]
    rows = rows[np.argsort(-sure, kind="stable")]
    return pd.DataFrame(
        {
            "row": rows,
            "image": [str(images[row]) for row in rows.tolist()],
            "label": [classes[labels[row]] for row in rows],
            "predicted": [classes[said[row]] for row in rows],
            "probability": probabilities[rows, said[rows]].astype(np.float64),
            "label_probability": probabilities[rows, labels[rows]].astype(np.float64),
            "wrong": [int((predicted[:, row] != labels[row]).sum()) for row in rows],
        }
    )
