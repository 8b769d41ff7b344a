"""Subsets of layers: one canonical form, and names for people."""

import pytest

from subtuning.errors import UserError
from subtuning.tuning.subsets import FULL, canonical, title

LAYERS = ["stem", "a.0", "a.1", "b.0", "tail"]


@pytest.mark.parametrize(
    ("subset", "expected"),
    [
        ("linear", ()),
        ([], ()),
        (["linear"], ()),
        ("full", FULL),
        (["full"], FULL),
        ("b.0, a.0", ("a.0", "b.0")),
        (["tail", "stem", "tail"], ("stem", "tail")),
        ((name for name in ["a.1"]), ("a.1",)),
    ],
)
def test_a_subset_has_one_canonical_form(subset, expected):
    assert canonical(subset, LAYERS) == expected


@pytest.mark.parametrize(
    ("subset", "sentence"),
    [
        ("a,O", r"layer 'O' is not in this backbone; its layers are stem, a\.0"),
        ("stam", r"layer 'stam' is not in this backbone \(did you mean 'stem'\?\)"),
        (["zzz"], r"layer 'zzz' is not in this backbone; its layers are stem, a\.0, a\.1, b\.0, tail"),
        (["full", "a.0"], "layer 'full' is not in this backbone"),
    ],
)
def test_unknown_layers_are_named(subset, sentence):
    with pytest.raises(UserError, match=sentence):
        canonical(subset, LAYERS)


def test_titles():
    assert title(FULL) == "full"
    assert title(()) == "linear"
    assert title(("a.0", "b.0")) == "a.0+b.0"
