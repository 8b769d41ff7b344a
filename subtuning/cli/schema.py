"""The verb that keeps the config's documents in step with its models."""

import argparse
from pathlib import Path

from subtuning.config.reference import README_FILE, with_reference
from subtuning.config.schema import SCHEMA_FILE, schema_text
from subtuning.errors import UserError


def schema_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--write", action="store_true", help=f"write {SCHEMA_FILE} and the reference in {README_FILE} instead"
    )


def schema(args: argparse.Namespace) -> None:
    """Print the JSON schema, or write it and the reference to their files in the project's root."""
    if not args.write:
        print(schema_text(), end="")
        return
    if not README_FILE.is_file() or not SCHEMA_FILE.parent.is_dir():
        raise UserError(f"there is no {README_FILE} or no {SCHEMA_FILE.parent}/ here; run this in the project's root")
    _write(README_FILE, with_reference(README_FILE.read_text(encoding="utf-8")))
    _write(SCHEMA_FILE, schema_text())


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path}")
    else:
        print(f"{path} is up to date")
