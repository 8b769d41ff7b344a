"""What each selector's words mean, on a network with stages and on one without."""

import pytest

from subtuning.errors import UserError
from subtuning.search.select import select
from subtuning.search.study import Study
from tests.tiny import make_run

PARTS = {
    "stem": "stem", "layer1.0": "layer1", "layer1.1": "layer1", "layer2.0": "layer2", "layer2.1": "layer2",
}  # fmt: skip


def study_of(parts=PARTS):
    rows = [{"name": name, "kind": "layer", "stage": stage, "parameters": 10} for name, stage in parts.items()]
    return Study({}, make_run(), {"layers": rows}, lambda run: None)


@pytest.mark.parametrize(
    ("words", "layers"),
    [
        ("first 1", "stem"),
        ("first 2", "stem+layer1.0"),
        ("last 2", "layer2.0+layer2.1"),
        ("stage layer1", "layer1.0+layer1.1"),
        ("stage stem", "stem"),
        ("window layer1.1 2", "layer1.1+layer2.0"),
        ("window 3 2", "layer1.1+layer2.0"),
        ("window layer2.1 1", "layer2.1"),
        ("first 2 with biases", "stem+layer1.0 with biases"),
        ("random 5", "stem+layer1.0+layer1.1+layer2.0+layer2.1"),
    ],
)
def test_words_name_layers(words, layers):
    assert str(select(words, study_of())) == layers


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("first 6", "'first 6': write first K, with K from 1 to 5"),
        ("first", "'first': write first K, with K from 1 to 5"),
        ("last 0", "'last 0': write last K, with K from 1 to 5"),
        ("stage layer3", "'stage layer3': there is no such stage"),
        ("stage", "'stage': there is no such stage; the stages are stem, layer1, layer2"),
        ("window 6 1", "'window 6 1': there is no layer '6' to begin with; write window LAYER K"),
        ("window layer1.3 1", "there is no layer 'layer1.3' to begin with"),
        ("window layer2.0 3", "'window layer2.0 3': write window LAYER K, with K from 1 to 2"),
        ("random 6", "'random 6': write random K seed N, with K from 1 to 5"),
        ("random 2 seed one", "write random K seed N, with N a number such as 0"),
        ("random 2 3", "write random K seed N, with N a number such as 0"),
    ],
)
def test_wrong_words_are_one_sentence(words, sentence):
    with pytest.raises(UserError) as error:
        select(words, study_of())
    assert sentence in str(error.value)


@pytest.mark.parametrize("parts", [{"stem": "stem", "a": "blocks", "b": "blocks"}, {"a": "a", "b": "b"}])
def test_a_network_without_stages_says_so(parts):
    with pytest.raises(UserError, match="'stage blocks': this network has no stages; write 'window LAYER K'"):
        select("stage blocks", study_of(parts))


def test_a_draw_depends_on_its_seed_alone():
    draws = [str(select(f"random 2 seed {seed}", study_of())) for seed in range(20)]
    assert draws == [str(select(f"random 2 seed {seed}", study_of())) for seed in range(20)]
    assert draws[0] == str(select("random 2", study_of()))
    assert len(set(draws)) > 5
    assert all(len(draw.split("+")) == 2 for draw in draws)
