"""What a run is trained to do: the loss of a batch, what is predicted, and what is right.

Two objectives: one class an image, by cross-entropy over the classes; or any number of labels an image, each a yes or
no of its own, by binary cross-entropy. The labels' shape says which: B, or B x C of 0 and 1. Logits are B x C.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from subtuning.config import Recipe
from subtuning.config.metrics import recipe_problem
from subtuning.errors import UserError
from subtuning.training.data import Images


class Objective(NamedTuple):
    """What training and scoring ask of a task.

    Attributes:
        loss: of logits, labels, recipe and `class_weights`: what a step makes smaller, a mean over the batch.
        total_loss: of logits and labels: the sum over the images of the plain loss, which records tell.
        predict: of logits: the class of each image (B), or whether it has each label (B x C).
        right: of what is predicted and labels: whether the answer to an image is all right (B).
        probabilities: of logits: what is kept of each class, 0-1, B x C. float16; of several labels float32, since
            average precision asks for the order of the surest images, which float16 makes ties near 1.
    """

    loss: Callable[[Tensor, Tensor, Recipe, Tensor | None], Tensor]
    total_loss: Callable[[Tensor, Tensor], Tensor]
    predict: Callable[[Tensor], Tensor]
    right: Callable[[Any, Any], Any]
    probabilities: Callable[[Tensor], Tensor]


def objective_of(labels: Tensor | np.ndarray) -> Objective:
    """What images with such labels are trained for."""
    return SEVERAL_LABELS if labels.ndim == 2 else ONE_CLASS


def class_weights(recipe: Recipe, train: Images, classes: int) -> Tensor | None:
    """What an image of each class counts in the loss, C on the images' device; None where all count alike.

    `balanced` is N / (C n) for n of the run's N own training images (King and Zeng 2001; as in scikit-learn), so that
    all classes count alike together.

    Raises:
        UserError: the recipe has values that mean nothing to images with several labels.
    """
    if train.labels.ndim == 2 and (problem := recipe_problem(recipe.model_dump())):
        raise UserError(f"the images may have several labels: {problem}")
    if recipe.class_weights == "none":
        return None
    labels = train.labels if train.chosen is None else train.labels[train.chosen]
    images = np.bincount(labels, minlength=classes)
    weights = len(labels) / (classes * np.maximum(images, 1))
    return torch.from_numpy(weights).to(train.device, train.dtype)


def batch_loss(logits: Tensor, labels: Tensor, recipe: Recipe, weights: Tensor | None) -> Tensor:
    """The mean cross-entropy of a batch, each image counted by its class's weight.

    Args:
        logits: B x C.
        labels: B.
        weights: C, see `class_weights`.
    """
    weights = None if weights is None else weights.to(logits.dtype)
    return F.cross_entropy(logits, labels, weights, label_smoothing=recipe.label_smoothing)


def _binary_loss(logits: Tensor, labels: Tensor, recipe: Recipe, weights: Tensor | None) -> Tensor:
    """The mean over images and labels, as in timm's `BinaryCrossEntropy` and in torch."""
    return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))


def _binary_total(logits: Tensor, labels: Tensor) -> Tensor:
    """The sum over the images of the mean over their labels."""
    total = F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="sum")
    return total / labels.shape[1]


ONE_CLASS = Objective(
    loss=batch_loss,
    total_loss=lambda logits, labels: F.cross_entropy(logits, labels, reduction="sum"),
    predict=lambda logits: logits.argmax(1),
    right=lambda predicted, labels: predicted == labels,
    probabilities=lambda logits: logits.softmax(1).half(),
)

SEVERAL_LABELS = Objective(
    loss=_binary_loss,
    total_loss=_binary_total,
    predict=lambda logits: logits > 0,  # a probability above 0.5
    right=lambda predicted, labels: (predicted == (labels > 0)).all(1),
    probabilities=lambda logits: logits.float().sigmoid(),
)
