"""What is trained, as a value: one printed name, one plain form, one parser."""

import pytest

from subtuning.errors import UserError
from subtuning.tuning.adapters import adapter_of
from subtuning.tuning.tuning import EVERYTHING, FULL, ONLY_HEAD, How, Tuning

LAYERS = ["stem", "a.0", "a.1", "b.0", "tail"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("linear", ()),
        ([], ()),
        (["linear"], ()),
        ("full", FULL),
        (["full"], FULL),
        ("b.0, a.0", ("a.0", "b.0")),
        ("b.0+a.0", ("a.0", "b.0")),
        (["tail", "stem", "tail"], ("stem", "tail")),
        ((name for name in ["a.1"]), ("a.1",)),
    ],
)
def test_layers_have_one_form_however_they_are_written(written, expected):
    assert Tuning.parse(written, LAYERS) == Tuning(expected)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("a,O", r"layer 'O' is not in this backbone; its layers are stem, a\.0"),
        ("stam", r"layer 'stam' is not in this backbone \(did you mean 'stem'\?\)"),
        (["zzz"], r"layer 'zzz' is not in this backbone; its layers are stem, a\.0, a\.1, b\.0, tail"),
        (["full", "a.0"], "layer 'full' is not in this backbone"),
        ("a.0 with lora(rank)", r"'lora\(rank\)' does not say how layers are trained"),
        ("a.0 with lora(rank=$)", "does not say how layers are trained"),
        ("a.0 with lora rank=4", "does not say how layers are trained"),
    ],
)
def test_what_cannot_be_read_is_named(written, sentence):
    with pytest.raises(UserError, match=sentence):
        Tuning.parse(written, LAYERS)


TUNINGS = [
    EVERYTHING,
    ONLY_HEAD,
    Tuning(("a.0", "b.0")),
    Tuning(("a.0",), How("lora", (("alpha", 0.5), ("rank", 4)))),
    Tuning(FULL, How("biases")),
]


@pytest.mark.parametrize("tuning", TUNINGS, ids=str)
def test_the_printed_name_and_the_plain_form_can_be_read_back(tuning):
    assert Tuning.parse(str(tuning), LAYERS) == tuning
    assert Tuning.of_identity(tuning.plain()) == tuning


def test_printed_names():
    names = ["full", "linear", "a.0+b.0", "a.0 with lora(alpha=0.5, rank=4)", "full with biases"]
    assert list(map(str, TUNINGS)) == names


def test_an_adapter_or_option_that_is_not_there_is_named():
    with pytest.raises(UserError, match=r"no 'weight' among the adapters \(did you mean 'weights'"):
        adapter_of(How.parse("weight"))
    with pytest.raises(UserError, match=r"weights\(rank=4\): weights has no option 'rank'; it has no options"):
        adapter_of(How.parse("weights(rank=4)"))
