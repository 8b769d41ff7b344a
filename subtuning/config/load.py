"""From YAML text or Snakemake's dictionary to a checked `Config`, with one clear sentence for whatever is wrong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from subtuning.config import models
from subtuning.errors import UserError, did_you_mean

MAX_CONFIG_BYTES = 1_000_000


def load_config(path: str | Path) -> models.Config:
    """Read and check one YAML file. Raises `UserError` that names the file and the key."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"config file {path} does not exist; pass --config FILE or run where config/config.yaml is")
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise UserError(
            f"config file {path} is larger than {MAX_CONFIG_BYTES:,} bytes; a config is a few lines of YAML"
        )
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_PlainLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"config file {path} is not valid YAML: {' '.join(str(error).split())}") from None
    return parse_config(content, where=str(path))


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases (a few lines of them can unfold to terabytes) and without duplicate keys."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()
            raise yaml.YAMLError(
                f"line {event.start_mark.line + 1} uses an alias (*{event.anchor}); write the value out"
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool | None):
                raise yaml.YAMLError(f"line {key_node.start_mark.line + 1} has a key that is not a word")
            if key in seen:
                raise yaml.YAMLError(f"line {key_node.start_mark.line + 1} repeats the key {key!r}")
            seen.add(key)
        return super().construct_mapping(node, deep)


def parse_config(content: Any, where: str = "config") -> models.Config:
    """Check a dictionary (e.g. Snakemake's ``config``). Raises `UserError`."""
    if not isinstance(content, Mapping):
        raise UserError(f"{where} must hold keys such as tasks: and backbones:, not {type(content).__name__}")
    return _checked(models.Config, dict(content), where)


def parse_entry(kind: Any, content: Mapping[str, Any], where: str) -> Any:
    """Check one entry (a `Task`, `Backbone`, `Recipe` ...) on its own. Raises `UserError`."""
    return _checked(kind, dict(content), where)


def _checked(kind: Any, content: dict[str, Any], where: str) -> Any:
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise UserError(_sentence(error.errors()[0], kind, content, where)) from None


def _sentence(problem: dict[str, Any], kind: Any, content: Any, where: str) -> str:
    # pydantic puts the tag of a union into the location; a user never wrote it there.
    key = ".".join(str(part) for part in _user_path(problem["loc"], content))
    name, value = str(problem["loc"][-1]) if problem["loc"] else "", problem.get("input")
    match problem["type"]:
        case "extra_forbidden":
            known = _siblings(kind, problem["loc"], content)
            hint = did_you_mean(name, known) or f"; known here: {', '.join(known)}"
            return f"{where}: unknown key {key!r}{hint}"
        case "missing":
            return f"{where}: {key!r} is missing"
        case "union_tag_not_found":
            return (
                f"{where}: {key}.source is missing; it is one of {problem['ctx'].get('discriminator') and _sources()}"
            )
        case "union_tag_invalid":
            tag = str(problem["ctx"]["tag"])
            return f"{where}: {key}.source is {tag!r}; it must be one of {_sources()}{did_you_mean(tag, _SOURCES)}"
        case "literal_error":
            expected = problem["ctx"]["expected"]
            hint = did_you_mean(str(value), [word.strip(" '") for word in expected.replace(" or ", ",").split(",")])
            return f"{where}: {key} is {value!r}; it must be {expected}{hint}"
        case "string_pattern_mismatch":
            bad = name if name != "[key]" else str(value)
            shown = key.removesuffix(".[key]")
            return (
                f"{where}: {shown}: {bad!r} is not a usable name; use 1 to 64 letters, digits, '_', '-' or '.', "
                "beginning with a letter or digit"
            )
        case "value_error":
            return f"{where}: {key.removesuffix('.[key]')}: {problem['ctx']['error']}"
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{where}: {key} is {_short(value)}; {message.replace('input should', 'it should')}"


_SOURCES = ("builtin", "folder", "image_list", "arrays", "vtab")


def _sources() -> str:
    return ", ".join(_SOURCES)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _user_path(location: tuple, content: Any) -> list:
    path = []
    for part in location:
        if isinstance(content, Mapping) and part in content:
            content = content[part]
        elif isinstance(content, list | tuple) and isinstance(part, int) and part < len(content):
            content = content[part]
        elif part in _SOURCES:
            continue
        path.append(part)
    return path


def _siblings(kind: Any, location: tuple, content: Any) -> list[str]:
    """The keys that are known where the unknown key of `location` stands."""
    for part in location[:-1]:
        kind = _inside(kind, part)
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _inside(kind: Any, part: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_fields[part].annotation
    arguments = getattr(kind, "__args__", ())
    if part in _SOURCES:  # the tag of a task's union
        return next(a for a in _flat(kind) if a.model_fields["source"].annotation.__args__[0] == part)
    return arguments[-1] if arguments else kind


def _flat(kind: Any) -> list[type[BaseModel]]:
    if isinstance(kind, type):
        return [kind]
    return [inner for argument in getattr(kind, "__args__", ()) for inner in _flat(argument) if isinstance(inner, type)]
