"""What makes training faster changes no result: each with and without it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from subtuning.training.features import Features, compute_features, value_sizes
from subtuning.training.loop import LaneGroup
from subtuning.training.runner import train_missing
from subtuning.training.threads import LaneThreads
from subtuning.tuning import precision
from subtuning.tuning.precision import resolve_precision
from subtuning.tuning.tuning import FULL
from tests.tiny import (
    CLASSES,
    CPU,
    images,
    largest_difference,
    make_run,
    metrics_of,
    recipe,
    shaken_network,
    shaken_trunk,
    states,
    train,
)
from tests.training.conftest import new_place

pytestmark = pytest.mark.slow

SUBSETS = [(), ("layer2.0",), ("layer1.0", "layer4.0"), FULL]


def metrics(inputs, layers, folder, runs, **switches):
    place = new_place(inputs, layers, folder, **switches)
    assert train_missing(runs, place) == len(runs)
    return [(r["metrics"], r["curve"]) for r in place.store.require(runs)]


SLOW = {
    "cache": (False, 1e-9),
    "groups": (1, 0.0),
    "lanes": (1, 0.0),
    "fold_batchnorm": (False, 1e-6),  # folded in the weights' own float32
}
"""Switch -> its value without the faster way, and the rounding that is allowed."""


@pytest.mark.parametrize("switch", SLOW)
def test_each_switch_changes_nothing_but_rounding(inputs, layers, tmp_path, runs, threads, switch):
    torch.set_num_threads(2)
    fast = metrics(inputs, layers, tmp_path / "fast", runs)
    without, rounding = SLOW[switch]
    slow = metrics(inputs, layers, tmp_path / "slow", runs, **{switch: without})
    for (one, curve), (other, other_curve) in zip(fast, slow, strict=True):
        assert {k: one[k] for k in ("accuracy", "loss", "n")} == pytest.approx(
            {k: other[k] for k in ("accuracy", "loss", "n")}, abs=rounding
        )
        assert one.get("hits") == other.get("hits")
        assert curve[-1] == pytest.approx(other_curve[-1], abs=rounding)


def test_values_are_computed_once_and_then_only_read(place, runs, monkeypatch):
    seen = []
    batch = LaneGroup.batch
    monkeypatch.setattr(LaneGroup, "batch", lambda self, *a: seen.append(batch(self, *a)) or seen[-1])
    train_missing(runs, place)
    assert seen
    by_test_set = [b for b in seen if b.cache is None]
    assert all(not b.values for b in seen if b.cache is not None)
    assert len(by_test_set) == 2, "only the test images, once for each seed, go through the trunk again"
    assert len({id(b.cache) for b in seen if b.cache is not None}) == 1, "folds and seeds share the values"


def test_augmented_images_are_not_kept(place, runs, monkeypatch):
    monkeypatch.setattr("subtuning.training.schedule.compute_features", lambda *_: pytest.fail("kept"))

    train_missing([replace(run, recipe=recipe(augmentation="flip")) for run in runs[:2]], place)


@pytest.mark.parametrize("model", ["test_resnet", "test_efficientnet", "test_vit", "test_convnext", "test_maxvit"])
def test_kept_values_are_those_of_the_trunk(model):
    trunk = shaken_trunk(model)
    source = images(70).on_device()
    cuts = list(range(len(trunk.frozen) + 1))
    kept = compute_features(trunk, source, value_sizes(trunk, source, cuts), LaneThreads(CPU), CPU)
    rows = np.array([69, 3, 64])
    with torch.no_grad():
        fresh = trunk.values_at(source.pixels_at(rows), cuts)
    for cut in cuts:
        found = kept.at(cut, rows, CPU)
        assert found.keys() == fresh[cut].keys()
        for name, value in fresh[cut].items():
            assert torch.allclose(found[name], value, atol=1e-9) if torch.is_tensor(value) else found[name] == value


def test_values_that_are_not_rows_of_images_are_not_kept():
    class Odd:
        frozen = ()

        def values_at(self, pixels, cuts):
            return {0: {"both": pixels.new_zeros(4 * len(pixels), 2)}}

    assert value_sizes(Odd(), images(4), [0]) is None


def test_values_that_all_images_share_are_kept_once():
    features = Features({"x": torch.arange(6.0)[:, None]}, {"size": 7}, {2: ["x", "size"]}, None)
    found = features.at(2, np.array([4, 1]), CPU)
    assert found["size"] == 7
    assert found["x"].tolist() == [[4.0], [1.0]]


@pytest.mark.parametrize("model", ["test_resnet", "test_efficientnet", "test_convnext"])
def test_spared_convolutions_change_nothing_but_rounding_of_bf16(model, monkeypatch):
    """bf16 with and without the layers that are spared on a CPU, and with weights that autocast itself converts."""

    def trained():
        trunk = shaken_trunk(model).to(CPU, torch.float32).in_precision(torch.bfloat16)
        subset = (trunk.original[2].name,)
        group = LaneGroup(trunk, [make_run(subset)], single(), CLASSES, shaken_network(model).num_features)
        while not group.finished:
            group.advance()
        return metrics_of(group, single())[0]

    def single():

        return replace(images(16), dtype=torch.float32).on_device()

    spared = trained()
    monkeypatch.setattr("subtuning.tuning.lane.spare_depthwise", lambda module, trained: module)
    monkeypatch.setattr(precision, "spare_depthwise", lambda module, trained: module)
    assert spared["loss"] == pytest.approx(trained()["loss"], rel=0.05)
    monkeypatch.setattr("subtuning.tuning.lane.lower", lambda module, low: module)
    assert spared["loss"] == pytest.approx(trained()["loss"], rel=0.05)


def test_a_lane_in_bf16_equals_the_same_run_alone():
    trunk = shaken_trunk("test_efficientnet").to(CPU, torch.float32).in_precision(torch.bfloat16)
    names = [segment.name for segment in trunk.original]
    runs = [make_run(subset) for subset in [(), (names[1],), (names[-2],), FULL]]

    source = replace(images(16), dtype=torch.float32).on_device()
    features = shaken_network("test_efficientnet").num_features

    def trained(chosen):
        group = LaneGroup(trunk, chosen, source, CLASSES, features)
        while not group.finished:
            group.advance()
        return group.lanes

    for run, together in zip(runs, trained(runs), strict=True):
        (alone,) = trained([run])
        assert largest_difference(states(alone.lane), states(together.lane)) == 0
        assert alone.curve == together.curve


def test_auto_is_bf16_where_there_is_arithmetic_for_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert resolve_precision("auto", CPU) == "bf16"
    assert resolve_precision("fp32", CPU) == "fp32"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert resolve_precision("auto", CPU) == "fp32"
    assert resolve_precision("bf16", CPU) == "bf16"


def test_hits_are_the_right_answers_in_the_order_of_the_images():
    trunk = shaken_trunk("test_resnet")
    group = train(trunk, [make_run(("layer3.0",))], shaken_network("test_resnet").num_features)
    scored = images(131, seed=9)
    (found,) = metrics_of(group, scored)
    pixels, labels = scored.batch(np.arange(131))
    lane = group.lanes[0].lane
    with torch.no_grad():
        right = (lane(trunk.values_at(pixels, [lane.cut])[lane.cut]).argmax(1) == labels).tolist()
    bits = "".join(f"{byte:08b}" for byte in bytes.fromhex(found["hits"]))
    assert [bit == "1" for bit in bits[:131]] == right
    assert set(bits[131:]) <= {"0"}
    assert found["accuracy"] == sum(right) / 131
    assert 0 < sum(right) < 131


def test_an_error_in_one_group_stops_the_others_with_their_state_saved(place, runs, monkeypatch, threads):
    torch.set_num_threads(2)
    advance = LaneGroup.advance

    def fails_in_the_second_fold(group):
        if group.lanes[0].run.split.fold == 1 and group.step == 2:
            raise RuntimeError("broken")
        advance(group)

    monkeypatch.setattr(LaneGroup, "advance", fails_in_the_second_fold)
    with pytest.raises(RuntimeError, match="broken"):
        train_missing(runs, place)
    monkeypatch.setattr(LaneGroup, "advance", advance)
    finished = {record["id"] for record in place.store}
    saved = (
        {path.stem for path in place.checkpoints.folder.glob("*.pt")} if place.checkpoints.folder.exists() else set()
    )
    assert not finished & saved
    assert train_missing(runs, place) == len(runs) - len(finished)
