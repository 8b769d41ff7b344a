"""Which configs have used a results folder: `status` shows all, and `clean` calls the records of none unwanted."""

from pathlib import Path

from subtuning.errors import UserError
from subtuning.workspace.paths import read_json, write_json

USUAL = "config/config.yaml"


def note_config(results: Path, file: Path) -> None:
    """Remember that a config's workflow was started on this folder."""
    path = str(file.resolve().relative_to(Path.cwd()) if file.resolve().is_relative_to(Path.cwd()) else file.resolve())
    if path not in (known := noted_configs(results)):
        write_json(results / "configs.json", [*known, path])


def noted_configs(results: Path) -> list[str]:
    """The files, in the order of their first use; none that is damaged or of an earlier version."""
    try:
        found = read_json(results / "configs.json", "snakemake")
    except UserError:
        return []
    return [path for path in found if isinstance(path, str)] if isinstance(found, list) else []


def configs_of(results: Path, given: list[str] | None) -> tuple[list[str], list[str]]:
    """The configs to look at, those that are given or else all that were used here; and those of them that are gone."""
    if given:
        return given, []
    known = noted_configs(results)
    there = [path for path in known if Path(path).is_file()]
    return there or [USUAL], [path for path in known if path not in there]
