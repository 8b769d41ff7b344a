"""What must be equal after a fault, and what is counted."""

from collections import Counter
from pathlib import Path

from subtuning.analysis.files import read_csv
from tests.workflow.snake import records

TARGET = "results/cells/tiny/profile.csv"
RUNS = 18
"""Trainings of the profile: linear probing, seven layers, and everything, on each of two folds."""

VOLATILE_COLUMNS = ["seconds", "search_seconds", "seconds: choose + train"]
VOLATILE = {"names", "seconds", "images_per_second", "lanes", "started", "device"}
"""What of a record may differ when a run is trained again, or under another name; all else is a result."""


def tables(folder: Path) -> dict[str, str]:
    """Every table of a finished run, less the columns of time and memory."""
    found = {}
    for file in sorted((folder / "results").rglob("*.csv")):
        table = read_csv(file)
        found[str(file.relative_to(folder))] = table.drop(columns=VOLATILE_COLUMNS, errors="ignore").to_csv()
    for name in ("results/tables/summary.md", "results/tables/summary.tex", "results/cells/tiny/selected.json"):
        if (folder / name).exists():
            found[name] = (folder / name).read_text()
    return found


def numbers(folder: Path) -> dict[str, dict]:
    """Every record of the store, less what may differ."""
    return {
        name: {key: value for key, value in record.items() if key not in VOLATILE}
        for name, record in records(folder).items()
    }


def assert_finished_like(folder: Path, undisturbed: Path) -> None:
    """The same tables, byte for byte, and the same records."""
    mine, other = tables(folder), tables(undisturbed)
    assert len(mine) >= 8
    assert mine == other
    assert numbers(folder) == numbers(undisturbed)


def assert_profile_like(folder: Path, undisturbed: Path) -> None:
    """The same for the profile, where nothing else was made."""
    mine, other = numbers(folder), numbers(undisturbed)
    assert tables(folder) == {TARGET: tables(undisturbed)[TARGET]}
    assert len(mine) == RUNS
    assert mine == {name: other[name] for name in mine}


def trainings(log: Path) -> Counter:
    """Run id -> how often it was trained to its end (see `injected.log_trainings`)."""
    return Counter(log.read_text().split()) if log.exists() else Counter()
