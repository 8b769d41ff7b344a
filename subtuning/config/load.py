"""From YAML text or Snakemake's dictionary to a checked `Config`, with one clear sentence for whatever is wrong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from subtuning.config.models import Config
from subtuning.config.sentences import sentence
from subtuning.errors import UserError
from subtuning.paths import user_path

MAX_CONFIG_BYTES = 100_000


def load_config(path: str | Path) -> Config:
    """Read and check one YAML file. Raises `UserError` that names the file and the key."""
    return parse_config(read_yaml(path), where=str(path))


def read_yaml(path: str | Path) -> Any:
    """Read one YAML file, without looking at its keys. Raises `UserError` that names the file and the line."""
    path = Path(user_path(str(path)))
    text = _read_text(path)
    try:
        return yaml.load(text, Loader=_PlainLoader)
    except _Refused as error:
        problem = str(error)
    except yaml.MarkedYAMLError as error:
        tabs = "; indent with spaces, not tabs" if "\\t" in str(error.problem) else ""
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        begin = f"{error.context} " if str(error.problem).startswith("but ") else ""
        problem = f"{line}{begin}{error.problem or error.context}{tabs}"
    except RecursionError:
        problem = "it is nested too deeply"
    except ValueError:
        problem = "it holds a date or number that is none (such as 2026-99-99); put text in quotes"
    except yaml.YAMLError as error:
        problem = str(error)
    raise UserError(f"config file {path} is not valid YAML: {' '.join(problem.split())}")


def _read_text(path: Path) -> str:
    try:
        if path.is_dir():
            raise UserError(f"config file {path} is a folder; name a YAML file")
        if not path.exists():
            raise UserError(f"config file {path} does not exist; pass --config FILE or run where config/config.yaml is")
        if not path.is_file():  # a pipe or a device may never end
            raise UserError(f"config file {path} is not a regular file; name a YAML file")
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise UserError(
                f"config file {path} is larger than {MAX_CONFIG_BYTES:,} bytes; a config is a few lines of YAML"
            )
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"config file {path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"config file {path} cannot be read: {error.strerror}") from None


class _Refused(yaml.YAMLError):
    """Valid YAML that is refused, with the reason."""


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without aliases (a few lines of them can unfold to terabytes) and without duplicate keys."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()
            raise _Refused(f"line {event.start_mark.line + 1}: an alias (*{event.anchor}) is used; write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise _Refused(f"line {key_node.start_mark.line + 1}: a merge key (<<) is used; write the values out")
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool | None):
                raise _Refused(f"line {key_node.start_mark.line + 1}: a key must be a word")
            if key in seen:
                raise _Refused(f"line {key_node.start_mark.line + 1}: the key {key!r} is repeated; remove one of them")
            seen.add(key)
        return super().construct_mapping(node, deep)


def parse_config(content: Any, where: str = "config") -> Config:
    """Check a dictionary (e.g. Snakemake's ``config``). Raises `UserError`."""
    return parse_entry(Config, content, where, "keys such as tasks: and backbones:")


def parse_entry(kind: Any, content: Mapping[str, Any], where: str, keys: str = "keys and values") -> Any:
    """Check one entry (a `TaskEntry`, `BackboneEntry`, `Recipe` ...) on its own. Raises `UserError`."""
    if not isinstance(content, Mapping):
        held = {type(None): "empty", list: "a list", str: "text"}.get(type(content), "a single value")
        raise UserError(f"{where} is {held}; it must hold {keys}")
    try:
        return TypeAdapter(kind).validate_python(dict(content))
    except ValidationError as error:
        raise UserError(sentence(error.errors(include_url=False), kind, where)) from None
