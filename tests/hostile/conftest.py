"""Calls of `subtuning` in this process that must end soon, and a look at what they wrote where."""

import contextlib
import io
import json
import os
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from subtuning.cli import main

SECONDS = 60
"""A call that takes longer hangs; the busiest machine needs a few of them."""

TERA = 1 << 40


class Hang(BaseException):
    """A call that takes too long; no code under test may catch this."""


@dataclass
class Outcome:
    """What a call left: its exit status, its lines that begin with "error: ", and all it printed."""

    code: int
    errors: list[str]
    output: str


def call(folder: Path, *words: str) -> Outcome:
    """Run `subtuning` in `folder`. Any exception but `SystemExit` passes through: a user would see its traceback."""
    output = io.StringIO()

    def late(number, frame):
        raise Hang(f"subtuning {' '.join(words)[:200]} hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        with contextlib.chdir(folder), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            try:
                code = main(words)
            except SystemExit as leave:
                code = leave.code
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    text = output.getvalue()
    errors = re.findall(r"(?:^|\r|\n)(?:subtuning(?: [a-z-]+)?: )?(error: [^\r\n]*)", text)
    return Outcome(int(code or 0), errors, text)


def tree(folder: Path) -> dict[str, tuple]:
    """Every file, folder and link below a folder, without following links and without what is in `results/`."""
    found, left = {}, [folder]
    while left:  # os.walk fails on very deep folders
        try:
            entries = list(os.scandir(left.pop()))
        except PermissionError:
            continue
        for entry in entries:
            if entry.path == str(folder / "results"):
                continue
            stat, is_folder = entry.stat(follow_symlinks=False), entry.is_dir(follow_symlinks=False)
            found[entry.path] = (stat.st_mode, *(() if is_folder else (stat.st_size, stat.st_mtime_ns)))
            if is_folder:
                left.append(entry.path)
    return found


def refused(folder: Path, *words: str) -> str:
    """Check that a call fails as promised, and return its sentence.

    One line that begins with "error: ", nothing that upsets a terminal, exit status 2, nothing converted, and nothing
    written or changed outside of `results/`.
    """
    before = tree(folder)
    outcome = call(folder, *words)
    assert outcome.code == 2, outcome.output
    assert len(outcome.errors) == 1, outcome.output
    assert "Traceback" not in outcome.output
    assert outcome.errors[0].isprintable()
    assert len(outcome.errors[0]) < 3000
    assert tree(folder) == before
    assert not list(folder.glob("results/tasks/*"))
    return outcome.errors[0]


def sparse(path: Path, size: int = TERA) -> None:
    """A file of a terabyte that takes no place on the disk."""
    with path.open("ab") as file:
        file.truncate(size)


def convert_words(spec: dict) -> tuple[str, ...]:
    """The call that converts the task `toy`."""
    return ("convert", "--task", "toy", "--spec", json.dumps(spec))


@pytest.fixture
def as_nobody() -> Iterator[Callable[[], contextlib.AbstractContextManager]]:
    """A folder that everybody may use, and a context in which permissions count, also when the tests run as root."""

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)

        @contextlib.contextmanager
        def nobody():
            is_root = os.geteuid() == 0
            with contextlib.chdir(folder):  # nobody may not come back to where root was
                if is_root:
                    os.seteuid(65534)
                try:
                    yield
                finally:
                    if is_root:
                        os.seteuid(0)

        yield Path(folder), nobody
