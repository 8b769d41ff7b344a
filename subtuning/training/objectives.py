"""What a run is trained to do: the loss of a batch, and what each class counts in it."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from subtuning.config import Recipe
from subtuning.training.data import Images


def class_weights(recipe: Recipe, train: Images, classes: int) -> Tensor | None:
    """What an image of each class counts in the loss, C on the images' device; None where all count alike.

    `balanced` is N / (C n) for n of the run's N own training images (King and Zeng 2001; as in scikit-learn), so that
    all classes count alike together.
    """
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
