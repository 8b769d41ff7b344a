"""One sentence for what is wrong in a config: the file, the key, the value, and what would be right."""

import reprlib
from typing import Any

from pydantic import TypeAdapter

from subtuning.config.words import flow, in_words, one_of
from subtuning.errors import did_you_mean, listed

_UNKNOWN = ("extra_forbidden", "invalid_key")
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist, _SHORT.maxstring, _SHORT.maxother = 2, 3, 4, 60, 60


def sentence(problems: list[dict[str, Any]], kind: Any, where: str) -> str:
    """Say what is wrong first of all.

    Args:
        problems: the `errors()` of pydantic's `ValidationError`.
        kind: the model that was asked for.
        where: the file, or whatever the content came from.
    """
    # A misspelt key is often reported as a missing one too; its spelling is the better hint.
    problem = min(problems, key=lambda p: 0 if p["type"] in _UNKNOWN else 2 if p["type"] == "missing" else 1)
    location = problem["loc"]
    is_name = location[-1:] == ("[key]",) and problem["type"] not in _UNKNOWN  # pydantic's mark for the key itself
    path, node, known = _walk(TypeAdapter(kind).json_schema(), location[:-1] if is_name else location)
    return f"{where}: {_name(path, problem) if is_name else _value(path, node, known, problem)}"


def _walk(schema: dict[str, Any], location: tuple) -> tuple[list[str], dict[str, Any], list[str]]:
    """Follow pydantic's location through the schema.

    Returns:
        the keys as the user wrote them; the schema of the value there; the keys known where the last one stands.
    """
    definitions, path, known = schema.get("$defs", {}), [], []

    def resolved(node):
        return definitions[node["$ref"].rpartition("/")[2]] if "$ref" in node else node

    node = resolved(schema)
    for part in location:
        if "discriminator" in node:  # pydantic puts the union's tag into the location; a user never wrote it there
            node = resolved({"$ref": node["discriminator"]["mapping"][part]})
        elif "properties" in node:
            path.append(_shown_key(part))
            required = node.get("required", [])
            known = [*required, *(key for key in node["properties"] if key not in required)]
            node = resolved(node["properties"].get(part, {}))
        elif "patternProperties" in node:
            path.append(_shown_key(part))
            node = resolved(next(iter(node["patternProperties"].values())))
        elif isinstance(part, int):
            path[-1] += f"[{part}]"
            node = next(kind["items"] for kind in node.get("anyOf", [node]) if "items" in kind)
    return path, node, known


def _name(path: list[str], problem: dict[str, Any]) -> str:
    """What is wrong with the name of an entry."""
    section, name = ".".join(path[:-1]), problem["input"]
    match problem["type"]:
        case "value_error":
            return f"{section}: {problem['ctx']['error']}"
        case "string_pattern_mismatch":
            return (
                f"{section}: {_shown(name)} is not a usable name; use 1 to 64 letters, digits, '_', '-' or '.', "
                "beginning with a letter or digit"
            )
    return f"{section}: the name {_shown(name)} must be text; write it in quotes"


def _value(path: list[str], node: dict[str, Any], known: list[str], problem: dict[str, Any]) -> str:
    """What is wrong with a key or its value."""
    key, value = ".".join(path), problem.get("input")
    match problem["type"]:
        case "extra_forbidden" | "invalid_key":
            hint = did_you_mean(str(problem["loc"][-1]), known) or f"; known here: {listed(known, 20)}"
            return f"unknown key '{key}'{hint}"
        case "missing":
            return f"{key} is missing; add for example {path[-1]}: {_example(node)}"
        case "union_tag_not_found" | "union_tag_invalid":
            return _source(path, node, value)
        case "value_error" if not path:
            return str(problem["ctx"]["error"])
        case "value_error":
            return f"{key} is {_shown(value)}; it {problem['ctx']['error']}"
    return f"{key} is {_shown(value)}; it must {_right(node, value)}".replace("`", "'")


def _source(path: list[str], node: dict[str, Any], entry: dict[str, Any]) -> str:
    tag, key = node["discriminator"]["propertyName"], ".".join([*path, node["discriminator"]["propertyName"]])
    sources = list(node["discriminator"]["mapping"])
    right = f"it must be {one_of(sources)}".replace("`", "'")
    if tag not in entry:
        return f"{key} is missing; {right}"
    return f"{key} is {_shown(entry[tag])}; {right}{did_you_mean(str(entry[tag]), sources)}"


def _right(node: dict[str, Any], value: Any) -> str:
    """What the value must be or hold."""
    if "discriminator" in node:
        return f"hold keys such as {node['discriminator']['propertyName']}:"
    if "properties" in node:
        return f"hold keys such as {' and '.join(f'{key}:' for key in list(node['properties'])[:2])}"
    if "patternProperties" in node and "examples" in node:
        return f"hold at least one entry, for example {_example(node)}"
    words = in_words(node)
    if "enum" in node and isinstance(value, str):
        return f"be {words}{did_you_mean(value, node['enum'])}"
    verb = "hold " if words.startswith("names") else "be " if words.startswith(("text", "`")) else "be a "
    return f"{verb}{words}"


def _example(node: dict[str, Any]) -> str:
    return flow(node["examples"][0] if "examples" in node else node.get("const", "..."))


def _shown_key(part: Any) -> str:
    text = str(part)
    is_plain = len(text) <= 64 and text.isprintable() and text.isascii() and text != ""
    return text if is_plain else _SHORT.repr(text)[1:-1]


def _shown(value: Any) -> str:
    if value is None or value in ({}, []):
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return _SHORT.repr(value)
    except ValueError:  # a whole number with thousands of digits
        return "a very long number"
