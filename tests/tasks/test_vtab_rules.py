"""VTAB-1k's rules against golden values: stored order, slices, split sizes, label maps."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subtuning.tasks import manifest
from subtuning.tasks.manifest import CLASS_COUNTS, known, text
from subtuning.tasks.verify import MANIFEST
from subtuning.tasks.vtab import labels
from subtuning.tasks.vtab.image_sets import class_names, sun397_lists
from subtuning.tasks.vtab.order import Cut, stored_order
from subtuning.tasks.vtab.registry import TASKS
from subtuning.tasks.vtab.scenes import kitti_split

GOLDEN = [
    # task, part, position of the first key below, keys (computed with TensorFlow Datasets' own hash, 4.9.10)
    ("cifar100", "train", 0, [16399, 1680, 47917]),
    ("cifar100", "train", 799, [45288]),
    ("cifar100", "val", 0, [13431, 9237, 17462]),
    ("cifar100", "val", 199, [1434]),
    ("cifar100", "test", 0, [9933, 5669, 163, 6686]),
    ("svhn", "val", 0, [21145, 64736, 23870]),
    ("dsprites_loc", "train", 0, [16399, 634903, 206287, 470425, 352707]),
    ("dsprites_ori", "val", 0, [220697, 85843, 84902]),
    ("dsprites_ori", "test", 0, [493443, 195884, 225768]),
    ("smallnorb_azi", "train", 0, [16399, 1680, 17307, 1456]),
    ("smallnorb_ele", "val", 0, [23018, 16932, 19084]),
    ("smallnorb_ele", "test", 0, [299, 2838, 15595]),
    ("patch_camelyon", "train", 0, ["train_251464", "train_132287"]),
    ("patch_camelyon", "val", 0, ["valid_3270"]),
    ("patch_camelyon", "test", 0, ["test_11072"]),
    ("clevr_count", "train", 0, ["CLEVR_train_043876.png", "CLEVR_train_033421.png"]),
    ("sun397", "train", 0, ["/r/rope_bridge/sun_biqflnsoednmhvce.jpg"]),
    ("sun397", "val", 0, ["/b/boathouse/sun_armmkazxnlvxglwr.jpg"]),
]


@pytest.mark.parametrize(("task", "part", "position", "expected"), GOLDEN)
def test_members_have_the_golden_keys(task, part, position, expected):
    cut = TASKS[task].cuts[part]
    keys = manifest._keys(TASKS[task])[cut.split]
    rows = cut.rows(manifest._orders(TASKS[task].data_set)[cut.split])
    assert [keys[i] for i in rows[position : position + len(expected)]] == expected


def test_flowers_first_members_are_known_from_the_published_lists():
    # golden: image_00297, 04771, 04537 lead the train part; so they must come in this order among any keys
    keys = ["image_04537.jpg", "image_00297.jpg", "image_04771.jpg"]
    assert [keys[i] for i in stored_order("train", keys)] == ["image_00297.jpg", "image_04771.jpg", "image_04537.jpg"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=9), min_size=1, max_size=30, unique=True), st.sampled_from(["train", "test"]))
def test_order_is_that_of_the_md5_numbers(keys, split):
    expected = sorted(keys, key=lambda key: int(hashlib.md5((split + key).encode()).hexdigest(), 16))
    assert [keys[i] for i in stored_order(split, keys)] == expected
    assert [keys[i] for i in stored_order(split, [key.encode() for key in keys])] == expected


STARTS = {  # first row of val, first row of test, in the stored order of their splits
    "caltech101": (2754, 0), "cifar100": (45000, 0), "dtd": (0, 0), "oxford_flowers102": (0, 0),
    "oxford_iiit_pet": (2944, 0), "svhn": (65931, 0), "sun397": (0, 0), "patch_camelyon": (0, 0),
    "eurosat": (16200, 21600), "resisc45": (18900, 25200), "diabetic_retinopathy": (0, 0), "clevr_count": (63000, 0),
    "clevr_dist": (63000, 0), "dmlab": (0, 0), "kitti": (0, 0), "dsprites_loc": (589824, 663552),
    "dsprites_ori": (589824, 663552), "smallnorb_azi": (0, 12150), "smallnorb_ele": (0, 12150),
}  # fmt: skip
TESTS = {
    "caltech101": 6084, "cifar100": 10000, "dtd": 1880, "oxford_flowers102": 6149, "oxford_iiit_pet": 3669,
    "svhn": 26032, "sun397": 21750, "patch_camelyon": 32768, "eurosat": 5400, "resisc45": 6300,
    "diabetic_retinopathy": 42670, "clevr_count": 15000, "clevr_dist": 15000, "dmlab": 22735, "kitti": 711,
    "dsprites_loc": 73728, "dsprites_ori": 73728, "smallnorb_azi": 12150, "smallnorb_ele": 12150,
}  # fmt: skip


@pytest.mark.parametrize("task", TASKS)
def test_split_sizes_and_slices_are_the_official_ones(task):
    entry = TASKS[task]
    rows = {part: cut.rows(np.arange(entry.sizes[cut.split])) for part, cut in entry.cuts.items()}
    assert entry.cuts["train"] == Cut("train", count=800)
    assert [len(rows[part]) for part in ("train", "val", "test")] == [800, 200, TESTS[task]]
    assert (rows["val"][0], rows["test"][0]) == STARTS[task]
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        same = entry.cuts[one].split == entry.cuts[other].split
        assert not (same and set(rows[one]) & set(rows[other]))


def test_the_19_tasks_are_those_of_the_paper_and_of_the_config():
    from subtuning.config.tasks import VtabTask

    assert list(TASKS) == list(VtabTask.model_fields["name"].annotation.__args__)
    groups = [entry.group for entry in TASKS.values()]
    assert [groups.count(group) for group in ("natural", "specialised", "structured")] == [7, 4, 8]
    assert set(CLASS_COUNTS) == set(TASKS)


def test_sun397_lists_hold_what_vtab_needs():
    lists = sun397_lists()
    assert {split: len(keys) for split, keys in lists.items()} == {"train": 800, "validation": 200, "test": 21750}
    everything = [key for keys in lists.values() for key in keys]
    assert len(set(everything)) == len(everything)
    assert {key[1:].rpartition("/")[0] for key in lists["test"]} == set(class_names("sun397"))


@pytest.mark.parametrize(
    "data_set", ["caltech101", "dtd", "oxford_flowers102", "oxford_iiit_pet", "eurosat", "resisc45"]
)
def test_class_names_are_complete_and_distinct(data_set):
    names = class_names(data_set)
    assert len(set(names)) == len(names) == CLASS_COUNTS[data_set]
    if data_set != "oxford_flowers102":  # in label order, which is alphabetical in all others
        assert list(names) == sorted(names, key=str.lower)


def test_clevr_distances_have_their_edges_in_the_bin_below():
    def label(distance):
        far = {"pixel_coords": [0, 0, 50.0]}
        return labels.clevr_distance([far, {"pixel_coords": [9.0, 9.0, distance]}])

    expected = {0.1: 0, 8.0: 0, 8.0001: 1, 8.5: 1, 8.6: 2, 9.0: 2, 9.5: 3, 9.51: 4, 10.0: 4, 10.1: 5}
    assert {distance: label(distance) for distance in expected} == expected
    assert labels.clevr_distance([{"pixel_coords": [0, 0, 99.0]}]) == 5
    assert [labels.clevr_count([{}] * n) for n in (3, 10)] == [0, 7]


def test_kitti_distances_look_at_vehicles_only():
    def line(kind, z):
        return f"{kind} 0 0 0 1 2 3 4 1 1 1 5.0 1.5 {z} 0\n"

    cases = {8.0: 0, 8.01: 1, 20.0: 1, 20.1: 2, 70.0: 2, -1.0: 0}
    for kind in ("Car", "Van", "Truck"):
        found = {z: labels.kitti_distance(line("Pedestrian", 1) + line(kind, z) + line("Car", 90)) for z in cases}
        assert found == cases
    for kind in ("Pedestrian", "Cyclist", "Tram", "Misc", "Person_sitting", "DontCare"):
        assert labels.kitti_distance(line(kind, 5)) == 3
    assert labels.kitti_distance("") == 3


def test_dsprites_bins_are_floor_of_the_share():
    latents = np.zeros((40, 6), np.int64)
    latents[:, 3] = np.arange(40)
    latents[:32, 4] = np.arange(32)
    assert labels.dsprites_orientation(latents).tolist() == [int(np.floor(np.float32(i) / 2.5)) for i in range(40)]
    assert np.bincount(labels.dsprites_orientation(latents)).tolist() == [3, 2] * 8
    assert np.bincount(labels.dsprites_location(latents[:32])).tolist() == [2] * 16


def test_kitti_split_keeps_videos_together():
    videos = [f"v{i // 3:02d}" for i in range(90)]
    splits = kitti_split(videos)
    assert sorted(number for numbers in splits.values() for number in numbers) == list(range(90))
    seen = [{videos[i] for i in numbers} for numbers in splits.values()]
    assert [len(group) for group in seen] == [24, 3, 3]
    assert not (seen[0] & seen[1] | seen[0] & seen[2] | seen[1] & seen[2])
    names, draws = sorted(set(videos)), np.random.RandomState(123)
    test = set(draws.choice(names, 3, replace=False))
    assert seen[2] == test
    assert seen[1] == set(draws.choice([name for name in names if name not in test], 3, replace=False))


def test_the_committed_manifest_is_what_the_rules_give():
    committed, fresh = MANIFEST.read_text(), text(known())
    assert committed == fresh  # once real data has been added, compare only what the rules know
