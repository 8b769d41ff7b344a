"""Folds and splits: complete, stratified, balanced, and the same everywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subtuning.errors import UserError
from subtuning.tasks import folds
from subtuning.tasks.splits import share_or_count, take

LABELS = st.lists(st.integers(0, 6), min_size=5, max_size=80).map(np.array)


@settings(max_examples=60, deadline=None)
@given(LABELS, st.integers(2, 5), st.integers(0, 9))
def test_folds_partition_and_balance_every_class(labels, k, seed):
    parts = folds(labels, k, seed) if np.bincount(labels).max() > 1 else []
    held = [held for _, held in parts]
    if parts:
        assert sorted(np.concatenate(held).tolist()) == list(range(len(labels)))
    for train, test in parts:
        assert sorted([*train, *test]) == list(range(len(labels)))
    for counts in [[len(rows) for rows in held], *([np.sum(labels[rows] == c) for rows in held] for c in range(7))]:
        assert not counts or max(counts) - min(counts) <= 1


def test_folds_are_the_same_on_every_machine_and_differ_by_seed():
    labels = np.arange(12) % 3
    assert [held.tolist() for _, held in folds(labels, 3)] == FOLDS
    assert [held.tolist() for _, held in folds(labels, 3, seed=1)] != FOLDS


FOLDS = [[0, 2, 9, 10], [1, 3, 5, 7], [4, 6, 8, 11]]


@pytest.mark.parametrize(
    ("labels", "k", "sentence"),
    [
        ([0, 0, 1], 4, "3 images cannot be split into 4 folds; use at most 3"),
        ([0, 1, 2], 2, "no class has two images"),
        ([0, 0, 1], 1, "folds must be at least 2, not 1"),
        ([], 2, "0 images"),
    ],
)
def test_impossible_folds_are_refused(labels, k, sentence):
    with pytest.raises(UserError, match=sentence):
        folds(np.array(labels, np.int64), k)


@settings(max_examples=60, deadline=None)
@given(LABELS, st.integers(1, 40), st.integers(0, 9))
def test_take_is_stratified_and_leaves_every_class(labels, count, seed):
    possible = len(labels) - len(np.unique(labels))
    if count > possible:
        with pytest.raises(UserError, match=f"x: {count} of {len(labels)} .* at most {possible}"):
            take(labels, count, seed, "x")
        return
    rest, chosen = take(labels, count, seed, "x")
    assert len(chosen) == count
    assert sorted([*rest, *chosen]) == list(range(len(labels)))
    assert set(labels[rest]) == set(labels)
    if min(np.bincount(labels)[np.unique(labels)]) * (len(labels) - count) >= 2 * len(labels):
        for label in np.unique(labels):  # no class is short of two: shares are kept to one image
            assert abs(np.sum(labels[chosen] == label) - count * np.mean(labels == label)) < 1


def test_share_or_count():
    assert share_or_count(0.25, 100, "val") == 25
    assert share_or_count(0.001, 100, "val") == 1
    assert share_or_count(30, 100, "val") == 30
    with pytest.raises(UserError, match=r"val is 1\.0; it must be a share below 1 or a whole number"):
        share_or_count(1.0, 100, "val")
