"""Small JSON files of the results folder: read with a sentence for what is wrong, written in one step."""

import json
from pathlib import Path
from typing import Any

from subtuning.errors import UserError
from subtuning.runs.store import write_atomically


def read_json(path: Path, made_by: str) -> Any:
    """Read a file that an earlier step wrote. Raises `UserError` that names this step."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; make it with: {made_by}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path} is damaged; delete it and make it again with: {made_by}") from None


def write_json(path: Path, value: Any) -> None:
    """Write a small file in one step."""
    write_atomically(path, json.dumps(value, indent=1, allow_nan=False) + "\n")
