"""A room of the package imports only rooms that stand above it in the list of `subtuning/__init__.py`."""

import ast
import re
from pathlib import Path

import pytest

import subtuning

PACKAGE = Path(subtuning.__file__).parent
ROOMS = re.findall(r"^    (\w+) +\S", subtuning.__doc__, re.MULTILINE)


def imported_rooms(file: Path) -> set[str]:
    """The rooms of which a file imports anything, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
        found |= {name.split(".")[1] for name in names if name.startswith("subtuning.")}
    return found & {*ROOMS}


def test_every_folder_of_the_package_is_in_the_list():
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == {*ROOMS}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_above_it(room):
    allowed = {*ROOMS[: ROOMS.index(room) + 1]}
    files = {file: imported_rooms(file) - allowed for file in (PACKAGE / room).rglob("*.py")}
    assert not {str(file.relative_to(PACKAGE)): rooms for file, rooms in files.items() if rooms}
