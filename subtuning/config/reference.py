"""The reference in `config/README.md`: one table a section, made from the models."""

from inspect import cleandoc
from pathlib import Path
from typing import Any

from subtuning.config.deliver import Deliver
from subtuning.config.models import BackboneEntry, Config, Evaluate, Greedy, Profile, Recipe, Search, Tune
from subtuning.config.tasks import SOURCES, TaskBase
from subtuning.config.words import flow, in_words
from subtuning.errors import UserError

README_FILE = Path("config/README.md")
BEGIN = "<!-- Written by `subtuning schema --write`; edit the descriptions in subtuning/config/ instead. -->"
END = "<!-- End of what `subtuning schema --write` writes. -->"


def with_reference(readme: str) -> str:
    """The text of a README whose part between the two marks is replaced by today's reference."""
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{README_FILE} lacks the line {BEGIN if not begin else END!r}, which marks the reference")
    return f"{head}{begin}\n\n{reference()}\n{end}{tail}"


def reference() -> str:
    """All tables, as Markdown."""
    parts = [
        _tasks(),
        _section("backbones", BackboneEntry, f"{Config.model_fields['backbones'].description} Each has:"),
    ]
    for model in (Recipe, Profile, Greedy, Search, Tune, Evaluate, Deliver):
        parts.append(_section(model.__name__.lower(), model))
    parts.append(f"### `experiments`\n\n{Config.model_fields['experiments'].description}\n")
    return "\n".join(parts)


def _tasks() -> str:
    base = _properties(TaskBase)
    text = f"### `tasks`\n\n{Config.model_fields['tasks'].description} Each has, whatever its source:\n\n"
    text += _table(base, []) + "\n"
    for source, model in SOURCES.items():
        own = {key: schema for key, schema in _properties(model).items() if base.get(key) != schema}
        text += f"#### `source: {source}`\n\n{cleandoc(model.__doc__)}\n\n{_table(own, _required(model))}\n"
    return text


def _section(name: str, model: Any, words: str = "") -> str:
    return f"### `{name}`\n\n{words or model.__doc__}\n\n{_table(_properties(model), _required(model))}"


def _properties(model: Any) -> dict[str, Any]:
    return model.model_json_schema()["properties"]


def _required(model: Any) -> list[str]:
    return model.model_json_schema().get("required", [])


def _table(properties: dict[str, Any], required: list[str]) -> str:
    rows = ["| key | values | default | what, and when to change it |", "|---|---|---|---|"]
    for key in sorted(properties, key=lambda key: key not in required):
        schema = properties[key]
        cells = [f"`{key}`", _values(schema), _default(key, schema, required), schema["description"]]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _values(schema: dict[str, Any]) -> str:
    return "keys of [`recipe`](#recipe)" if "$ref" in schema else in_words(schema)


def _default(key: str, schema: dict[str, Any], required: list[str]) -> str:
    if key in required:
        return "must be given"
    default = schema.get("default", {})
    return "the model's" if default is None else f"`{flow(default)}`"
