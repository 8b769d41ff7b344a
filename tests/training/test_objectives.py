"""What a run is trained to do: class weights and several labels, by hand and in lanes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from subtuning.errors import UserError
from subtuning.training.loop import LaneGroup
from subtuning.training.objectives import batch_loss, class_weights, objective_of
from subtuning.training.scoring import score
from subtuning.tuning.precision import low_type
from subtuning.tuning.tuning import FULL
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


SEVERAL = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 1]] * 4, np.uint8)
"""The labels of sixteen images."""


def test_binary_cross_entropy_by_hand():
    """One label is sure and right, one is not known: log 2; by images, their sum is told."""
    logits, labels = torch.tensor([[50.0, 0.0], [0.0, -50.0]]), torch.tensor([[1, 1], [0, 0]], dtype=torch.uint8)
    objective = objective_of(labels)
    assert objective.loss(logits, labels, recipe(), None).item() == pytest.approx(np.log(2) / 2)
    assert objective.total_loss(logits, labels).item() == pytest.approx(np.log(2))
    assert objective.predict(logits).tolist() == [[True, False], [False, False]]
    assert objective.right(objective.predict(logits), labels).tolist() == [False, True], "all labels of an image"
    assert objective.probabilities(logits)[:, 1].tolist() == pytest.approx([0.5, 0])
    assert objective.probabilities(logits).dtype == torch.float32


@pytest.mark.parametrize("changes", [{"class_weights": "balanced"}, {"label_smoothing": 0.1}])
def test_what_means_nothing_to_several_labels_is_one_sentence(changes):
    source = unequal()
    source.labels = SEVERAL
    with pytest.raises(UserError, match=rf"recipe\.{next(iter(changes))} is for tasks whose images have one label"):
        class_weights(recipe(**changes), source, 4)


def trained_for_several(subsets, precision="fp32"):
    trunk, source = shaken_trunk("test_resnet"), unequal()
    source.labels = SEVERAL
    if low := low_type(precision):
        trunk, source.dtype = trunk.to(CPU, torch.float32).in_precision(low), torch.float32
    runs = [make_run(subset, precision=precision) for subset in subsets]
    group = LaneGroup(trunk, runs, source, CLASSES, shaken_network("test_resnet").num_features)
    while not group.finished:
        group.advance()
    return group, [states(state.lane) for state in group.lanes], score(group, source)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_lane_for_several_labels_is_what_it_is_alone(precision):
    group, lanes, scores = trained_for_several([(), ("layer4.0",), ("layer1.0", "layer3.0"), FULL], precision)
    assert [len(state.curve) for state in group.lanes] == [2] * 4
    for place, subset in enumerate([(), ("layer4.0",), ("layer1.0", "layer3.0"), FULL]):
        _, (alone,), (single,) = trained_for_several([subset], precision)
        assert largest_difference(lanes[place], alone) < 1e-9
        assert (scores[place].probabilities == single.probabilities).all()
        assert scores[place].metrics(hits=True) == single.metrics(hits=True)


def test_what_is_scored_is_what_the_lane_says():
    _, _, (found,) = trained_for_several([("layer4.0",)])
    assert found.predictions.shape == found.labels.shape == found.probabilities.shape == (16, 4)
    assert (found.predictions == (found.probabilities > 0.5)).all()
    exact = (found.predictions == SEVERAL).all(1)
    given = np.where(SEVERAL == 1, found.probabilities, 1 - found.probabilities)
    told = found.metrics(hits=True)
    assert told["accuracy"] == exact.mean()
    assert told["loss"] == pytest.approx(-np.log(given).mean(), rel=1e-4)
    assert np.unpackbits(np.frombuffer(bytes.fromhex(told["hits"]), np.uint8)).tolist() == exact.tolist()
