"""Numbers do not depend on how many threads there are, nor on which lanes are trained together: bit for bit.

A run's identity names none of these.
"""

from dataclasses import replace

import pytest
import torch

from subtuning.training.features import compute_features, value_sizes
from subtuning.training.loop import LaneGroup
from subtuning.training.threads import LaneThreads
from subtuning.tuning.tuning import FULL
from tests.tiny import CLASSES, CPU, images, make_run, metrics_of, shaken_network, shaken_trunk, states

WAYS = {"together on one": (1, 2), "together on three": (3, 2), "alone on two": (2, 1), "alone on three": (3, 1)}
"""Way -> threads, and lanes trained together."""


def trained(trunk, subsets, features, way, cached):
    """Weights, curves and scores of lanes."""
    threads, together = WAYS[way]
    torch.set_num_threads(threads)
    lane_threads, cache = LaneThreads(CPU), None
    source = replace(images(40), dtype=torch.float32).on_device()
    if cached:
        cuts = list(range(len(trunk.frozen) + 1))
        cache = compute_features(trunk, source, value_sizes(trunk, source, cuts), lane_threads, CPU)
    runs = [make_run(s, batch_size=20, epochs=1, augmentation="none" if cached else "crop") for s in subsets]
    found = []
    for start in range(0, len(runs), together):
        group = LaneGroup(trunk, runs[start : start + together], source, CLASSES, features, cache, lane_threads)
        while not group.finished:
            group.advance()
        scores = metrics_of(group, replace(images(100, seed=9), dtype=torch.float32))
        found += [(states(s.lane), s.curve, score) for s, score in zip(group.lanes, scores, strict=True)]
    return found


@pytest.mark.parametrize("cached", [False, True], ids=["crop", "kept values"])
@pytest.mark.parametrize("low", [None, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize(("model", "layer"), [("test_resnet", "layer2.0"), ("test_efficientnet", "blocks.1.0")])
def test_threads_and_lanes_change_no_bit(threads, model, layer, low, cached):
    trunk = shaken_trunk(model).to(CPU, torch.float32).in_precision(low)
    subsets, features = [(layer,), FULL], shaken_network(model).num_features
    expected, *others = [trained(trunk, subsets, features, way, cached) for way in WAYS]
    for way, other in zip(list(WAYS)[1:], others, strict=True):
        for (weights, curve, score), (own, own_curve, own_score) in zip(expected, other, strict=True):
            differ = [name for name, value in weights.items() if not torch.equal(value, own[name])]
            assert not differ, f"{way}: {differ}"
            assert (curve, score) == (own_curve, own_score), way
