"""What a selection and its tables score: a metric of the stored predictions, and what each image adds to it.

Every metric here is the mean over the images of their *answers*: of the accuracy 1 or 0, of the others the metric plus
N times its derivative by the weight of the image (infinitesimal jackknife: Jaeckel 1972; Efron 1982, The Jackknife, the
Bootstrap and Other Resampling Plans, chapter 6). So whatever knows how sure a mean over images is (stop rules, P(best),
intervals over seeds and images) knows it of these metrics too, to first order.

Labels and predictions are classes from 0, both N, or N x C where an image may have several labels (`macro_f1`). Classes
without images among the labels do not count. `probability_metrics` has those that need the classes' probabilities.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from subtuning.config.metrics import metric_problem
from subtuning.errors import UserError
from subtuning.runs.identity import Split
from subtuning.runs.labelled import labelled_rows
from subtuning.runs.predictions import unpack
from subtuning.search.probability_metrics import PROBABILITY_METRICS

if TYPE_CHECKING:
    from subtuning.tasks import Task

Record = Mapping[str, Any]


def accuracy(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """The share of right answers."""
    return (labels == predicted).astype(np.float64)


def balanced_accuracy(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """The mean over the classes of their recalls (Brodersen et al. 2010)."""
    right = labels == predicted
    images, recalled = (np.bincount(found, minlength=labels.max() + 1) for found in (labels, labels[right]))
    recall = recalled / np.maximum(images, 1)
    classes = np.count_nonzero(images)
    return recall.sum() / classes + len(labels) / classes * (right - recall[labels]) / images[labels]


def macro_f1(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """The mean over the classes of F1 = 2 right / (images + images taken for it)."""
    if labels.ndim == 2:
        return _f1_of_labels(labels > 0, predicted)
    right, most = labels == predicted, max(labels.max(), predicted.max()) + 1
    images, taken, recalled = (np.bincount(found, minlength=most) for found in (labels, predicted, labels[right]))
    both = np.maximum(images + taken, 1)
    f1 = np.where(images > 0, 2 * recalled / both, 0)
    classes = np.count_nonzero(images)
    change = (right - f1[labels]) / both[labels]
    change += np.where(images[predicted] > 0, (right - f1[predicted]) / both[predicted], 0)
    return f1.sum() / classes + len(labels) / classes * change


def _f1_of_labels(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    images, right, either = labels.sum(0), labels & predicted, labels.astype(np.int64) + predicted
    both = np.maximum(either.sum(0), 1)
    f1 = 2 * right.sum(0) / both
    change = ((2 * right - f1 * either) / both)[:, images > 0]
    classes = max(1, int(np.count_nonzero(images)))
    return f1[images > 0].sum() / classes + len(labels) / classes * change.sum(1)


def quadratic_kappa(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Cohen's kappa, for classes in an order: 1 less the mean squared distance of answers from labels, as a share of
    what it would be were they drawn independently (Cohen 1968, Psychological Bulletin 70).

    From -1 to 1; 0 where all images have one class and get it, which shows nothing.
    """
    y, p = labels.astype(np.float64), predicted.astype(np.float64)
    apart = (y - p) ** 2
    to_predicted = (y - p.mean()) ** 2 + p.var()
    to_labels = (p - y.mean()) ** 2 + y.var()
    chance = float(to_predicted.mean())
    if not chance:
        return np.zeros(len(y))
    share = apart.mean() / chance
    return 1 - share - (apart - share * (to_predicted + to_labels - chance)) / chance


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    found.__name__: found for found in (accuracy, balanced_accuracy, macro_f1, quadratic_kappa)
}


def in_words(metric: str) -> str:
    """A metric as headings have it: ``balanced accuracy``, ``macro F1``, ``AUROC``."""
    return metric.replace("_", " ").replace("f1", "F1").replace("auroc", "AUROC")


LEAST = {"quadratic_kappa": -1.0}
"""The least value of a metric, of others 0; none is above 1."""


def scored(
    record: Record, metric: str, labels: np.ndarray, probabilities: Callable[[Record], np.ndarray | None] | None = None
) -> dict[str, Any]:
    """The record with its `metric`, the `score` among its metrics, and the `answers` of its N images.

    One that diverged has neither score nor answers.

    Args:
        probabilities: gives what a run kept of each class, N x C (see `Store.probabilities`).

    Raises:
        UserError: it kept no predictions, or no probabilities and the metric needs them; or the metric does not fit
            labels of which an image may have several.
    """
    if labels.ndim == 2 and (problem := metric_problem(metric)):
        raise UserError(f"task {record['names']['task']}: {problem}")
    if record["status"] != "done":
        return {**record, "metric": metric}
    if not record.get("predictions"):
        raise UserError(
            f"search.metric is {metric}, and run {record['id']} is of a version of subtuning that left no predictions; "
            "remove its record to train it again"
        )
    if metric in PROBABILITY_METRICS:
        kept = probabilities(record) if probabilities else None
        if kept is None:
            raise UserError(
                f"search.metric is {metric}, and run {record['id']} left no probabilities; remove its record to train "
                "it again"
            )
        answers = PROBABILITY_METRICS[metric](labels, kept)
    else:
        answers = METRICS[metric](labels, unpack(record["predictions"]))
    metrics = record["metrics"] | {"score": float(answers.mean())}
    return {**record, "metric": metric, "metrics": metrics, "answers": answers}


def scored_labels(task: "Task", split: Split) -> np.ndarray:
    """The labels of the images on which a run of this split is scored, in their order, N."""
    parts = ("train", "val") if split.kind in ("cv", "pool") else (split.kind,)
    labels = np.concatenate([task.part(part)[1] for part in parts])
    if split.kind == "pool":
        return labels[labelled_rows(split.labelled, len(labels))[1]]
    if split.folds is None or split.fold is None:
        return labels
    return labels[task.folds(split.folds)[split.fold][1]]
