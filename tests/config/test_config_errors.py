"""Whatever is wrong in a config gives one sentence that names the file and key and says what would be right."""

import re

import pytest

from subtuning.config import BackboneEntry, Recipe, TaskEntry, load_config, parse_config, parse_entry
from subtuning.errors import UserError
from tests.config.wrong_configs import GOOD, WRONG, WRONG_FILES, WRONG_FOR_THE_MODELS_ONLY, section

ALL_WRONG = WRONG | WRONG_FOR_THE_MODELS_ONLY


def error_of(call, *args, **kwargs):
    with pytest.raises(UserError) as caught:
        call(*args, **kwargs)
    text = str(caught.value)
    assert text.isprintable(), "one line, and nothing that would upset a terminal"
    assert len(text) < 500
    assert not re.search(r"\. |\.$|pydantic|[Ii]nput should|[Vv]alid dictionary", text), "one sentence of our own"
    return text


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Writes `my.yaml` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda content: (tmp_path / "my.yaml").write_bytes(content) and "my.yaml"


@pytest.mark.parametrize("case", ALL_WRONG)
def test_wrong_config_gives_its_sentence(case, file):
    text, sentence = ALL_WRONG[case]
    assert error_of(load_config, file(text.encode())) == f"my.yaml: {sentence}"


@pytest.mark.parametrize("case", WRONG_FILES)
def test_file_that_is_no_config_gives_its_sentence(case, file):
    content, sentence = WRONG_FILES[case]
    file(content)
    assert error_of(load_config, "my.yaml").removeprefix("config file ") == f"my.yaml{sentence}"


def test_missing_file_and_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert error_of(load_config, "my.yaml") == (
        "config file my.yaml does not exist; pass --config FILE or run where config/config.yaml is"
    )
    monkeypatch.chdir(tmp_path.parent)
    assert error_of(load_config, tmp_path.name) == f"config file {tmp_path.name} is a folder; name a YAML file"


def test_a_typing_slip_is_told_before_what_follows_from_it():
    content = {"task": {"digits": {"source": "builtin"}}, "backbones": {"a": {"model": "m"}}, "recipe": {"lr": 0}}
    assert error_of(parse_config, content) == "config: unknown key 'task' (did you mean 'tasks'?)"


def test_entries_named_like_a_source_or_a_mark_of_pydantic_keep_their_names():
    for name in ("folder", "arrays"):
        tasks = {name: {"source": "folder", "path": "x", "val": "much"}}
        assert error_of(parse_config, {"tasks": tasks}).startswith(f"config: tasks.{name}.val is 'much'; ")
    wrong = {"tasks": {"[key]": {"source": "builtin"}}, "backbones": {"a": {"model": "m"}}}
    assert error_of(parse_config, wrong).startswith("config: tasks: '[key]' is not a usable name; ")
    wrong = {"tasks": {"a": {"source": "builtin", "[key]": 1}}, "backbones": {"a": {"model": "m"}}}
    assert error_of(parse_config, wrong).startswith("config: unknown key 'tasks.a.[key]'; ")


def test_values_too_strange_to_print():
    for value, shown in {
        10**5000: "a very long number",
        "x" * 500: f"'{'x' * 27}...{'x' * 28}'",
        "\n": "'\\n'",
    }.items():
        text = error_of(parse_config, {"tasks": {"a": {"source": "builtin"}}, "recipe": {"epochs": value}})
        assert text == f"config: recipe.epochs is {shown}; it must be a whole number from 1 to 10000"


def test_single_entries():
    where = "--recipe"
    assert error_of(parse_entry, Recipe, {"lr": -1}, where) == "--recipe: lr is -1; it must be a number above 0"
    assert error_of(parse_entry, Recipe, [1], where) == "--recipe is a list; it must hold keys and values"
    assert error_of(parse_entry, BackboneEntry, {}, "--spec") == (
        "--spec: model is missing; add for example model: resnet50.tv2_in1k"
    )
    assert error_of(parse_entry, TaskEntry, {"source": "arrays"}, "task a") == (
        "task a: path is missing; add for example path: data/cells.npz"
    )
    assert error_of(parse_entry, TaskEntry, {}, "task a").startswith("task a: source is missing; it must be 'arrays', ")


@pytest.mark.parametrize(
    ("keys", "value"), [("lr: 1e-3", 0.001), ("lr: 1.5e3", 1500), ("lr: '0.1'", 0.1), ("lr: 1", 1), ("lr: +.5", 0.5)]
)
def test_numbers_as_people_write_them(keys, value, file):
    lr = load_config(file(section("recipe", f"{{{keys}}}").encode())).recipe.lr
    assert lr == value
    assert isinstance(lr, float)


def test_text_from_the_command_line_is_read_as_numbers():
    """`snakemake --config 'recipe={epochs: 7}'` gives text for every nested value."""
    text = {
        "tasks": {"a": {"source": "folder", "path": "7", "val": "30", "test": "0.1"}},
        "backbones": {"b": {"model": "m", "mean": ["0.5", "1e-1", "0"]}},
        "recipe": {"epochs": "7", "lr": "1e-3"},
    }
    config = parse_config(text)
    assert (config.recipe.epochs, config.recipe.lr) == (7, 0.001)
    assert config.backbones["b"].mean == [0.5, 0.1, 0.0]
    task = config.tasks["a"]
    assert (task.path, task.val, task.test) == ("7", 30, 0.1)
    assert isinstance(task.val, int)


def test_other_encodings_of_the_same_text(file):
    plain = load_config(file(GOOD.encode()))
    assert load_config(file(GOOD.encode("utf-8-sig"))) == plain
    assert load_config(file(GOOD.replace("\n", "\r\n").encode())) == plain
