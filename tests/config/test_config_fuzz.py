"""Anything at all in a config is a `Config` or one `UserError`, within a moment."""

import copy
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from subtuning.config import Config, parse_config
from subtuning.config.load import MAX_CONFIG_BYTES, load_config
from subtuning.errors import UserError

pytestmark = pytest.mark.slow

COMPLETE = Config(
    tasks={
        "a": {"source": "builtin"},
        "b": {"source": "folder", "path": "x", "val": 3},
        "c": {"source": "image_list", "path": "x"},
        "d": {"source": "arrays", "path": "x", "recipe": {"lr": 0.1}},
        "e": {"source": "vtab", "name": "dtd"},
        "f": {"source": "csv", "path": "x", "images": "y", "columns": ["path", "label"]},
    },
    backbones={"r": {"model": "m", "mean": [0.1, 0.2, 0.3], "std": [0.1, 0.2, 0.3], "subsets": {"own": ["x"]}}},
    evaluate={"subsets": {"mine": ["layer1.0", "stem"]}},
).model_dump()

known_words = st.sampled_from(["tasks", "source", "folder", "recipe", "lr", "[key]", "full", "..", "1e-3", "9" * 5000])
words = known_words | st.text(st.characters(), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words | st.binary(max_size=3)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.integers() | st.none(), inner, max_size=4),
    max_leaves=20,
)
quick = settings(
    deadline=timedelta(seconds=3), max_examples=150, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def outcome(call, argument):
    """What the call gives: a `Config`, or the sentence of its error."""
    try:
        return call(argument)
    except UserError as error:
        return str(error)


def check(content):
    found = outcome(parse_config, content)
    if isinstance(found, Config):
        assert parse_config(found.model_dump()) == found
    else:
        assert found.startswith("config")
        assert "\n" not in found
        assert len(found) < 2_000


@quick
@given(values)
def test_any_value(value):
    check(value)


@quick
@given(st.data(), values)
def test_a_good_config_with_one_thing_changed(data, value):
    """Walks to some place in a complete config and replaces, removes or adds what is there."""
    content = copy.deepcopy(COMPLETE)
    place = content
    while True:
        key = data.draw(st.sampled_from(range(len(place)) if isinstance(place, list) else list(place)))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.integers(0, 3)) == 0:
            break
        place = place[key]
    match data.draw(st.sampled_from(["replace", "remove", "add"])):
        case "replace":
            place[key] = value
        case "remove":
            del place[key]
        case "add" if isinstance(place, list):
            place.append(value)
        case "add":
            place[data.draw(words | st.integers())] = value
    check(content)


def test_the_complete_config_is_good():
    check(COMPLETE)
    assert parse_config(COMPLETE).subsets_of("r") == {"mine": "layer1.0+stem", "own": "x"}


@quick
@given(st.binary(max_size=60) | st.text("{}[],:-&*!|>'\"#? \n\tab1.<%@`~", max_size=40).map(str.encode))
def test_any_file(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "config.yaml"
    path.write_bytes(content)
    found = outcome(load_config, path)
    assert isinstance(found, str), "such a short file names no backbone"
    assert str(path) in found
    assert "\n" not in found


def test_the_largest_file_allowed_is_refused_within_seconds(tmp_path):
    """The slowest kind: as many unknown keys as fit."""
    path = tmp_path / "config.yaml"
    path.write_text("".join(f"{i:x}: \n" for i in range(MAX_CONFIG_BYTES))[:MAX_CONFIG_BYTES])
    assert "unknown key" in outcome(load_config, path)
