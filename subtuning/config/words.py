"""What a key may hold, in words: made from its JSON schema, for both the reference and the error sentences."""

from collections.abc import Mapping
from typing import Any


def in_words(schema: Mapping[str, Any]) -> str:
    """The values that `schema` allows, e.g. ``whole number from 8 to 4,096`` or ```none` or `flip```."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    return ", or ".join(_one_kind(kind) for kind in kinds)


def _one_kind(schema: Mapping[str, Any]) -> str:
    if "const" in schema or "enum" in schema:
        return one_of(schema.get("enum", [schema.get("const")]))
    match schema.get("type"):
        case "integer":
            return "whole number" + _limits(schema)
        case "number":
            return "number" + _limits(schema)
        case "boolean":
            return "`true` or `false`"
        case "string":
            return "text" + (f" such as {one_of(schema['examples'])}" if "examples" in schema else "")
        case "array":
            if "maxItems" in schema and schema.get("minItems") == schema["maxItems"]:
                return f"list of {schema['minItems']} values, each a {in_words(schema['items'])}"
            return f"list such as {one_of(schema['examples'])}"
        case "object" if "patternProperties" in schema:
            named = next(iter(schema["patternProperties"].values()))
            return "names, each with " + ("keys of `recipe`" if "$ref" in named else f"a {in_words(named)}")
    raise ValueError(f"no words for {schema}")


def one_of(values: list) -> str:
    """Join with commas and a last `or`, each in backticks."""
    quoted = [f"`{flow(value)}`" for value in values]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if quoted[1:] else quoted[0]


def flow(value: Any) -> str:
    """A value as YAML on one line, e.g. ``{digits: {source: builtin}}``."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _limits(schema: Mapping[str, Any]) -> str:
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if above is not None:
        parts = {"above": above, "below": below, "at most": high}
        return " " + " and ".join(f"{word} {limit}" for word, limit in parts.items() if limit is not None)
    if high is not None or below is not None:
        return f" from {low} to {high if high is not None else f'below {below}'}"
    return f", {low} or more"
