"""What a run is trained to do: class weights by hand, and in lanes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from subtuning.training.loop import LaneGroup
from subtuning.training.objectives import batch_loss, class_weights
from subtuning.tuning.precision import low_type
from tests.tiny import CLASSES, CPU, images, largest_difference, make_run, recipe, shaken_network, shaken_trunk, states

BALANCED = recipe(class_weights="balanced")


def unequal():
    """Sixteen images of which ten have class 0 and none class 3."""
    found = images(16).on_device()
    found.labels = np.repeat([0, 1, 2], [10, 4, 2])
    return found


def test_weights_by_hand():
    """N / (C n) = 16 / (4 n); a class without images does not occur."""
    assert class_weights(BALANCED, unequal(), 4).tolist() == pytest.approx([0.4, 1, 2, 4])
    assert class_weights(recipe(), unequal(), 4) is None


def test_weights_are_those_of_the_images_that_train():
    fold = unequal().part(np.array([0, 1, 10, 14]))
    assert class_weights(BALANCED, fold, 3).tolist() == pytest.approx([4 / 6, 4 / 3, 4 / 3])


def test_the_loss_is_the_weighted_mean():
    logits, labels = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]), torch.tensor([0, 0, 1])
    each = F.cross_entropy(logits, labels, reduction="none")
    found = batch_loss(logits, labels, BALANCED, torch.tensor([0.5, 2.0]))
    assert found.item() == pytest.approx(float((0.5 * each[0] + 0.5 * each[1] + 2 * each[2]) / 3))
    assert batch_loss(logits, labels, recipe(), None).item() == pytest.approx(float(each.mean()))


def trained(*kinds, precision="fp32"):
    trunk, source = shaken_trunk("test_resnet"), unequal()
    if low := low_type(precision):
        trunk, source.dtype = trunk.to(CPU, torch.float32).in_precision(low), torch.float32
    runs = [make_run(("layer4.0",), class_weights=kind, precision=precision) for kind in kinds]
    group = LaneGroup(trunk, runs, source, CLASSES, shaken_network("test_resnet").num_features)
    while not group.finished:
        group.advance()
    return [states(state.lane) for state in group.lanes]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_lane_with_weights_is_what_it_is_alone(precision):
    plain, balanced = trained("none", "balanced", precision=precision)
    (alone,) = trained("balanced", precision=precision)
    assert largest_difference(balanced, alone) < 1e-9
    assert largest_difference(balanced, plain) > 1e-4
