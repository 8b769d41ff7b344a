"""What the strategies that rank layers note, against plain PyTorch."""

import pytest
import torch
import torch.nn.functional as F

from subtuning.training.data import batches, epoch_order
from subtuning.training.loop import LaneGroup
from subtuning.tuning.head import new_head
from subtuning.tuning.tuning import FULL
from tests.tiny import CLASSES, images, make_run, shaken_network, shaken_trunk, train

MODEL = "test_resnet"


@pytest.fixture(scope="module")
def features():
    return shaken_network(MODEL).num_features


def curve(features, strategy, **changes):
    return train(shaken_trunk(MODEL), [make_run(FULL, strategy=strategy, **changes)], features).lanes[0].curve


def weights_of(trunk):
    return {s.name: list(s.module.parameters()) for s in trunk.original if list(s.module.parameters())}


def plain(features):
    """Gradient norms and mean squared gradients of the first epoch, layer by layer; the head alone is trained."""
    run, data, trunk = make_run(FULL), images().on_device(), shaken_trunk(MODEL)
    group = LaneGroup(trunk, [run], data, CLASSES, features)  # a network that is whole, and never stepped
    network, head = group.lanes[0].lane, new_head(features, CLASSES, run.recipe, 0).double()
    network.head, own = head, network.own
    steps = 2 * len(batches(len(data), 8))
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-2, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    norms, fishers = [], []
    for positions in batches(len(data), 8, epoch_order(len(data), 0, 0)):
        rows = data.rows_of(positions)
        network.train()
        network.zero_grad()
        values = trunk.values_at(data.pixels_at(rows, "none", None), [0])[0]
        F.cross_entropy(network(values), data.labels_at(rows)).backward()
        flat = {name: torch.cat([p.grad.flatten() for p in layer]) for name, layer in own.items() if layer}
        size = {name: torch.cat([p.detach().flatten() for p in own[name]]).norm() for name in flat}
        norms.append({name: (g.norm() / size[name]).item() for name, g in flat.items()})
        fishers.append({name: g.square().mean().item() for name, g in flat.items()})
        optimizer.step()
        schedule.step()
    return [{name: sum(step[name] for step in kind) / len(kind) for name in kind[0]} for kind in (norms, fishers)]


def test_gradients_are_those_of_plain_pytorch(features):
    norms, fishers = plain(features)
    found = curve(features, "measure")[0]
    for key, expected in {"gradient": norms, "fisher": fishers}.items():
        assert {name: found[f"{key}/{name}"] for name in expected} == pytest.approx(expected)


def test_measuring_moves_no_layer_and_gives_the_same_twice(features):
    trunk = shaken_trunk(MODEL)
    before = weights_of(shaken_trunk(MODEL))
    lane = train(trunk, [make_run(FULL, strategy="measure")], features).lanes[0].lane
    for name, layer in lane.own.items():
        for now, then in zip(layer, before.get(name, []), strict=True):
            assert (now - then).abs().max() < 1e-12
    assert curve(features, "measure") == curve(features, "measure")


def test_displacement_is_how_far_full_fine_tuning_has_moved_before_its_last_step(features):
    run, data = make_run(FULL, strategy="displacement"), images().on_device()
    before = weights_of(shaken_trunk(MODEL))
    group = LaneGroup(shaken_trunk(MODEL), [run], data, CLASSES, features)
    while group.step < group.steps - 1:
        group.advance()
    flat = {
        name: torch.cat([p.detach().flatten() for p in own]) for name, own in group.lanes[0].lane.own.items() if own
    }
    start = {name: torch.cat([p.flatten() for p in before[name]]) for name in flat}
    moved = {name: ((flat[name] - start[name]).norm() / start[name].norm()).item() for name in flat}
    group.advance()
    last = group.lanes[0].curve[-1]
    assert {name: last[f"displacement/{name}"] for name in flat} == pytest.approx(moved)
    accuracies = [[point["train_loss"] for point in curve(features, name)] for name in ("all", "displacement")]
    assert accuracies[0] == pytest.approx(accuracies[1])
