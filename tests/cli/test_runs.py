"""`subtuning runs`: filters and formats."""

import csv
import io
import json
from pathlib import Path

import pytest

from subtuning.runs import Store
from tests.cli.big import known_runs, train, train_all

RESULTS = Path("results")


@pytest.fixture
def records(config):
    train_all(config, RESULTS)
    return list(Store(RESULTS / "runs"))


def test_json_is_the_records_themselves(records, subtuning):
    code, out, _ = subtuning("runs", "--format", "json")
    assert code == 0
    assert json.loads(out) == records
    assert len(out.splitlines()) == 2 * len(records) + 1, "a record a line"


def test_csv_has_a_row_for_every_record(records, subtuning):
    rows = list(csv.DictReader(io.StringIO(subtuning("runs", "--format", "csv")[1])))
    assert [row["id"] for row in rows] == [record["id"] for record in records]
    for row, record in zip(rows, records, strict=True):
        identity, metrics = record["identity"], record["metrics"]
        assert (row["task"], row["backbone"]) == tuple(record["names"].values())
        assert (float(row["accuracy"]), float(row["loss"])) == (metrics["accuracy"], metrics["loss"])
        assert row["fold"] == ("" if identity["fold"] is None else str(identity["fold"]))
        assert [row[key] for key in ("split", "seed", "numbers")] == [
            str(identity[key]) for key in ("split", "seed", "numbers")
        ]
        assert (row["precision"], row["device"]) == (identity["recipe"]["precision"], record["device"])
        assert (row["epochs"], row["seconds"]) == (str(identity["recipe"]["epochs"]), str(record["seconds"]))


@pytest.mark.parametrize(
    ("words", "keep"),
    [
        (["--task", "two"], lambda r: r["names"]["task"] == "two"),
        (["--backbone", "net"], lambda r: True),
        (["--backbone", "other"], lambda r: False),
        (["--split", "cv"], lambda r: r["identity"]["split"] == "cv"),
        (["--seed", "1"], lambda r: r["identity"]["seed"] == 1),
        (["--layers", "linear"], lambda r: r["identity"]["subset"] == []),
        (["--layers", "full"], lambda r: r["identity"]["subset"] == "full"),
        (["--layers", "blocks.1"], lambda r: r["identity"]["subset"] == ["blocks.1"]),
        (["--layers", "blocks.1,blocks.0"], lambda r: r["identity"]["subset"] == ["blocks.0", "blocks.1"]),
        (
            ["--status", "done", "--task", "one", "--seed", "0"],
            lambda r: r["names"]["task"] == "one" and not r["identity"]["seed"],
        ),
        (["--status", "diverged"], lambda r: False),
    ],
)
def test_filters(words, keep, records, subtuning):
    wanted = [record["id"] for record in records if keep(record)]
    assert [record["id"] for record in json.loads(subtuning("runs", "--format", "json", *words)[1])] == wanted
    lines = subtuning("runs", *words)[1].splitlines()[2:]
    assert sorted(line.split()[0] for line in lines) == sorted(run_id[:8] for run_id in wanted)


def test_diverged_runs(config, subtuning):
    train(known_runs(config, RESULTS)[:1], RESULTS, status="diverged", metrics=None)
    (row,) = csv.DictReader(io.StringIO(subtuning("runs", "--status", "diverged", "--format", "csv")[1]))
    assert (row["status"], row["accuracy"], row["loss"]) == ("diverged", "", "")
    assert " diverged " in subtuning("runs")[1]


def test_no_results(config, subtuning):
    assert subtuning("runs", "--format", "json")[1] == "[]\n"
    assert subtuning("runs", "--format", "csv")[1].count("\n") == 1
