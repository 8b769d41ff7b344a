"""The JSON schema and the reference say what the models say, and their files are up to date."""

import json
import re
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml

from subtuning.cli import main
from subtuning.config import Config, load_config
from subtuning.config.reference import BEGIN, END, README_FILE, reference, with_reference
from subtuning.config.schema import SCHEMA_FILE, json_schema
from subtuning.config.tasks import SOURCES
from subtuning.errors import UserError
from tests.config.wrong_configs import GOOD, WRONG

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "config").glob("*.yaml"))
SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def nodes(value):
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


def test_it_is_a_schema_of_draft_2020_12():
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_nothing_unknown_is_allowed_anywhere():
    options = SCHEMA["properties"]["experiments"]["patternProperties"]  # which there are, each experiment knows
    known = list(options.values())
    objects = [node for node in nodes(SCHEMA) if node.get("type") == "object" and node not in known]
    assert len(objects) > 10
    assert all(node["additionalProperties"] is False for node in objects)


def test_every_key_is_explained():
    for name, model in SCHEMA["$defs"].items():
        for key, node in model["properties"].items():
            assert "description" in node, f"{name}.{key}"
            assert "$ref" in node or "title" in node, f"{name}.{key}"
            has_default = (
                "default" in node or key in model.get("required", []) or key in ("recipe", "recipes", "subsets")
            )
            assert has_default, f"{name}.{key}"
        assert model["description"], name


def test_every_number_has_a_limit():
    for node in nodes(SCHEMA):
        if node.get("type") == "integer" or "number" in (node.get("type") or ()):
            assert {"minimum", "exclusiveMinimum"} & node.keys(), node
    assert not [node for node in nodes(SCHEMA) if {"ge", "gt", "le", "lt"} & node.keys()], (
        "limits that no checker reads"
    )


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_projects_configs_pass(path):
    VALIDATOR.validate(yaml.safe_load(path.read_text()))
    load_config(path)


def test_the_default_config_names_its_schema_for_editors():
    first_line = (ROOT / "config" / "config.yaml").read_text().partition("\n")[0]
    assert first_line == f"# yaml-language-server: $schema=../{SCHEMA_FILE}"


@pytest.mark.parametrize("case", WRONG)
def test_it_rejects_what_the_models_reject(case):
    assert not VALIDATOR.is_valid(yaml.safe_load(WRONG[case][0]))


@pytest.mark.parametrize(
    "more", ["", "recipe: {lr: 1e-3}", "recipe: {lr: 1}", "greedy: {epsilon: 0}", "evaluate: {subsets: {mine: [stem]}}"]
)
def test_it_accepts_what_the_models_accept(more):
    VALIDATOR.validate(yaml.safe_load(GOOD + more))


def test_printing(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA


def test_the_written_files_are_up_to_date(tmp_path, monkeypatch, capsys):
    """If this fails: `subtuning schema --write`."""
    for file in (SCHEMA_FILE, README_FILE):
        (tmp_path / file).parent.mkdir(parents=True)
        shutil.copy(ROOT / file, tmp_path / file)
    monkeypatch.chdir(tmp_path)
    assert main(["schema", "--write"]) == 0
    assert capsys.readouterr().out == f"{README_FILE} is up to date\n{SCHEMA_FILE} is up to date\n"
    for file in (SCHEMA_FILE, README_FILE):
        assert (tmp_path / file).read_text() == (ROOT / file).read_text()


def test_writing_replaces_what_is_old_and_keeps_what_a_person_wrote(tmp_path, monkeypatch, capsys):
    (tmp_path / SCHEMA_FILE).parent.mkdir(parents=True)
    (tmp_path / README_FILE).parent.mkdir()
    (tmp_path / README_FILE).write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    monkeypatch.chdir(tmp_path)
    assert main(["schema", "--write"]) == 0
    assert capsys.readouterr().out == f"wrote {README_FILE}\nwrote {SCHEMA_FILE}\n"
    text = README_FILE.read_text()
    assert text == f"before\n{BEGIN}\n\n{reference()}\n{END}\nafter\n"
    assert json.loads(SCHEMA_FILE.read_text()) == SCHEMA


def test_writing_in_the_wrong_place(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["schema", "--write"]) == 2
    assert "run this in the project's root" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="lacks the line"):
        with_reference(f"{BEGIN}\n")


def test_the_reference_names_every_key_of_every_section():
    text = reference()
    assert {*re.findall(r"^### `(\w+)`$", text, re.MULTILINE)} == set(Config.model_fields)
    assert {*re.findall(r"^#### `source: (\w+)`$", text, re.MULTILINE)} == set(SOURCES)
    keys = {key for name, model in SCHEMA["$defs"].items() if name != "RecipeOverride" for key in model["properties"]}
    assert {*re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)} == keys
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in text.splitlines() if row.startswith("|")} == {5}


def test_the_examples_in_the_readme_are_good_configs():
    text = (ROOT / README_FILE).read_text().partition(BEGIN)[0]
    examples = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    whole = [example for example in examples if example.startswith("tasks:")]
    assert {source for source in SOURCES if any(f"source: {source}," in example for example in whole)} == set(SOURCES)
    for example in whole:
        assert len(example.splitlines()) <= 6
    for example in examples:
        content = yaml.safe_load(GOOD) | yaml.safe_load(example)
        VALIDATOR.validate(content)
        Config(**content)
