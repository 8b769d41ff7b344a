"""`search.racing: true` through the whole workflow: fewer trainings, and none of the rest is missing."""

import csv
import json
import re

from tests.workflow.snake import changed, new_folder, records, write_config

PAIR = "results/cells/tiny"
CONFIG = changed("search.racing", True, "greedy.folds", 4, "profile.folds", 4, "greedy.max_rounds", 3)


def test_a_race_trains_less_and_nothing_is_missing_afterwards(tmp_path, snakemake, subtuning):
    folder = new_folder(tmp_path / "project", CONFIG)
    result = snakemake(folder, "all")
    assert result.code == 0, result.output
    rounds = [json.loads((folder / PAIR / f"greedy/forward/round{number}.json").read_text()) for number in (1, 2)]
    assert not any(candidate.get("dropped") for candidate in rounds[0]["candidates"]), "its runs are the profile's"
    raced = rounds[1]["candidates"]
    assert any(candidate.get("dropped") for candidate in raced)
    assert {len(candidate["scores"]) for candidate in raced} > {4}
    second = [
        r for r in records(folder).values() if r["identity"]["split"] == "cv" and len(r["identity"]["subset"]) == 2
    ]
    assert len(second) == sum(len(candidate["scores"]) for candidate in raced) < 4 * len(raced)
    rows = [row for row in csv.DictReader((folder / PAIR / "greedy.csv").open()) if row["round"] == "2"]
    assert {row["layer"]: row["n"] for row in rows} == {c["layer"]: str(len(c["scores"])) for c in raced}
    assert {row["mean"] == "" for row in rows if row["n"] != "4"} == {True}
    assert "Nothing to be done" in snakemake(folder, "all").output
    status = subtuning(folder, "status")
    assert status.code == 0
    assert re.search(r"In all: \d+ done, 0 running, 0 missing, 0 diverged", status.output), status.output
    before = records(folder)
    write_config(folder, changed("search.racing", None, config=CONFIG))
    result = snakemake(folder, "all")
    assert result.code == 0, result.output
    after = records(folder)
    assert len(after) > len(before), "without racing, what was dropped is trained"
    assert {key: after[key] for key in before} == before, "and nothing again"
