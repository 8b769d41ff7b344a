"""The config's JSON schema (draft 2020-12), for editors and for anybody who checks a config without this package."""

import json
from pathlib import Path
from typing import Any

from subtuning.config.models import Config

_SCIENTIFIC = r"^[0-9]+(\.[0-9]*)?[eE][+-]?[0-9]+$"
"""1e-3 and the like, which YAML 1.1 reads as text. No key takes a negative number."""

SCHEMA_FILE = Path("workflow/schemas/config.schema.json")


def json_schema() -> dict[str, Any]:
    """The schema of the whole config. It allows what the models allow, but for what two keys say together."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}
    schema["title"] = "SubTuning config"
    for node in _nodes(schema):
        _tidy(node)
    return schema


def schema_text() -> str:
    """The content of `workflow/schemas/config.schema.json`."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _nodes(value: Any):
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _nodes(inner)


def _tidy(node: dict[str, Any]) -> None:
    if node.get("type") == "object":
        node.setdefault("additionalProperties", False)
    if isinstance(node.get("discriminator"), dict) and "mapping" in node["discriminator"]:
        del node["discriminator"]  # OpenAPI's, not JSON schema's; `oneOf` says the same
    if node.get("type") == "number":
        node |= {"type": ["number", "string"], "pattern": _SCIENTIFIC}
