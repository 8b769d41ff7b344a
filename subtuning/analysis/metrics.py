"""What a run said of each image: any metric is a function of it (scikit-learn's, say), and needs no other training."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy

from subtuning.analysis.records import Record
from subtuning.errors import UserError
from subtuning.runs.predictions import unpack
from subtuning.search.probability_metrics import of_each_class
from subtuning.tasks import Task

COLUMNS = ["auroc", "calibration_error", "log_loss"]
"""Of a table of test runs, beside the accuracy."""

BINS = 15
"""Of the calibration error, as in Guo et al."""


def answers(record: Record, task: Task) -> pd.DataFrame:
    """What a run said of each of the N images that it was scored on, in their order.

    Returns:
        A row an image: `image` (its name, see `Task.names`), `label` and `predicted` (numbers of classes, from 0; of a
        multi-label task tuples of them).

    Raises:
        UserError: the run diverged, was trained on another task, or by a version that kept no predictions.
    """
    identity = record["identity"]
    if identity["task"] != task.sha256:
        raise UserError(f"run {record['id']} is of another task, or of other images, than those in {task.path}")
    if not record.get("predictions"):
        why = "diverged and" if record["status"] == "diverged" else "is of a version of subtuning that"
        raise UserError(f"run {record['id']} {why} left no predictions; remove its record to train it again")
    parts = ("train", "val") if identity["split"] == "cv" else (identity["split"],)
    names = np.concatenate([np.array(task.names(part), object) for part in parts])
    labels = np.concatenate([task.part(part)[1] for part in parts])
    if identity["split"] == "cv":
        held = task.folds(identity["folds"])[identity["fold"]][1]
        names, labels = names[held], labels[held]
    columns: dict[str, Any] = {"label": labels, "predicted": unpack(record["predictions"])}
    if task.multilabel:
        columns = {key: [tuple(np.flatnonzero(row).tolist()) for row in rows] for key, rows in columns.items()}
    return pd.DataFrame({"image": names, **columns})


def recalls(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """The share (0-1) of each class's images that is taken for it, C; NaN for a class without images. Both are N."""
    from sklearn.metrics import recall_score

    return recall_score(labels, predicted, labels=range(classes), average=None, zero_division=np.nan)


def calibration_error(labels: np.ndarray, predicted: np.ndarray, confidence: np.ndarray) -> float:
    """Expected calibration error (0-1): how far confidence and accuracy lie apart, over `BINS` equal bins of
    confidence, each counted by its images (Naeini et al. 2015; Guo et al. 2017, arXiv 1706.04599, section 2).

    Args:
        labels, predicted: N; of several labels N x C, each of which counts as an answer.
        confidence: the probability of the predicted class, N; of several labels that of the answer, N x C.
    """
    labels, predicted, confidence = labels.ravel(), predicted.ravel(), confidence.ravel()
    place = np.clip(np.ceil(confidence.astype(np.float64) * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(place, (predicted == labels) - confidence.astype(np.float64), BINS)
    return float(np.abs(gaps).sum() / len(labels))


def auroc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The area under the ROC curve (0-1) of each class against the others, averaged over the classes that have images.

    It is the probability that an image of the class gets more of it than another image does, a tie counting half (Mann
    and Whitney 1947). NaN where all images are of one class.

    Args:
        probabilities: N x C.
    """
    own = of_each_class(labels, probabilities.shape[1]).astype(np.float64)
    images = own.sum(0)
    pairs = images * (len(labels) - images)
    above = (scipy.stats.rankdata(probabilities, axis=0) * own).sum(0) - images * (images + 1) / 2
    return float((above[pairs > 0] / pairs[pairs > 0]).mean()) if pairs.any() else float("nan")


def beside_accuracy(
    found: Sequence[Record], labels: np.ndarray | None, probabilities: Callable[[Record], np.ndarray | None]
) -> dict[str, float]:
    """The cells `COLUMNS` of a method: means over its test runs, NaN where a run lacks what they are made from.

    `log_loss` is the mean cross-entropy (nats) that the runs recorded, of several labels the mean over them.

    Args:
        labels: of the N test images, or N x C.
        probabilities: gives what a run kept, N x C (see `Store.probabilities`).
    """
    cells = dict.fromkeys(COLUMNS, float("nan"))
    if any(record["status"] != "done" for record in found):
        return cells
    cells["log_loss"] = float(np.mean([record["metrics"]["loss"] for record in found]))
    kept = [probabilities(record) for record in found]
    known = [each for each in kept if each is not None]
    if labels is None or len(known) < len(found) or not all(record.get("predictions") for record in found):
        return cells
    said = [unpack(record["predictions"]) for record in found]
    errors = [calibration_error(labels, p, _confidence(labels, each)) for p, each in zip(said, known, strict=True)]
    return cells | {
        "auroc": float(np.mean([auroc(labels, each) for each in known])),
        "calibration_error": float(np.mean(errors)),
    }


def _confidence(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The probability of what is predicted."""
    return np.maximum(probabilities, 1 - probabilities) if labels.ndim == 2 else probabilities.max(1)
