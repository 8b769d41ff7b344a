"""A store with a thousand records: what is read of it, counted in files, not in seconds."""

import hashlib
import json
import sys
from pathlib import Path

import pytest

from subtuning.cli import main
from tests.faults.compare import RUNS

MANY = 1000


@pytest.fixture
def large(profiled):
    """The store of a finished profile and a thousand records of other code."""
    folder = profiled
    one = json.loads(next((folder / "results/runs").glob("*/*.json")).read_text())
    for number in range(MANY):
        name = hashlib.sha256(str(number).encode()).hexdigest()[:32]
        record = one | {"id": name, "identity": one["identity"] | {"seed": 1000 + number, "numbers": 0}}
        file = folder / "results/runs" / name[:2] / f"{name}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(record))
    return folder


@pytest.fixture
def opened(monkeypatch):
    """The records that are opened while the test calls a command; those of another precision are looked for only."""
    found, watching = [], [True]

    def watch(event, arguments):
        if watching[0] and event == "open" and "results/runs/" in (name := str(arguments[0])) and Path(name).exists():
            found.append(name)

    sys.addaudithook(watch)  # cannot be removed, only told to stop
    yield found
    watching[0] = False


WORDS = ["train-step", "profile", "--task", "cells", "--backbone", "tiny", "--out", "x.json"]


def test_a_finished_step_reads_its_own_records_only(large, opened, monkeypatch):
    monkeypatch.chdir(large)
    assert main(WORDS) == 0
    assert len(set(opened)) == RUNS
    assert len(opened) <= 3 * RUNS


def test_status_reads_what_the_config_plans_only(large, opened, monkeypatch, capsys):
    monkeypatch.chdir(large)
    assert main(["status"]) == 0
    assert "profile" in capsys.readouterr().out
    assert RUNS <= len(set(opened)) < 60, "planned runs, finished or not"


def test_runs_reads_every_record_once(large, opened, monkeypatch, capsys):
    monkeypatch.chdir(large)
    assert main(["runs"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == RUNS + MANY + 2
    assert len(opened) == len(set(opened)) == RUNS + MANY


def test_a_step_that_trains_reads_its_own_records_only(large, finish):
    """The forked trainer counts for itself."""
    files = sorted((large / "results/runs").glob("*/*.json"))
    wanted = [file for file in files if json.loads(file.read_text())["identity"]["numbers"]]
    lost = wanted[0]
    lost.unlink()
    finish(large, ["count_opened", str(large / "opened")])
    counts = json.loads((large / "opened").read_text())
    others = [file.stem for file in files if file not in wanted]
    assert len(others) == MANY
    assert not counts.keys() & set(others)
    assert max(counts.values()) <= 10, "its own ones: once for each question"
