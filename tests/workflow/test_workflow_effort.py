"""`search.effort: fast` through the whole workflow: fewer trainings, and none of the rest is missing."""

import csv
import json
import re

from tests.workflow.snake import changed, new_folder, records, write_config

PAIR = "results/cells/tiny"
CONFIG = changed("search.effort", "fast", "greedy.folds", 4, "profile.folds", 4, "greedy.max_rounds", 3)


def test_a_fast_search_trains_less_and_nothing_is_missing_afterwards(tmp_path, snakemake, subtuning):
    folder = new_folder(tmp_path / "project", CONFIG)
    result = snakemake(folder, "all")
    assert result.code == 0, result.output
    profile = list(csv.DictReader((folder / PAIR / "profile.csv").open()))
    left = [row for row in profile if row["dropped"] == "True"]
    assert left
    assert {row["mean"] for row in left} == {""}
    assert {row["n"] for row in profile if row["layer"] in ("linear", "full")} == {"4"}
    rounds = [json.loads((folder / PAIR / f"greedy/forward/round{number}.json").read_text()) for number in (1, 2)]
    counts = [{c["layer"]: str(len(c["scores"])) for c in this["candidates"]} for this in rounds]
    assert counts[0].items() <= {row["layer"]: row["n"] for row in profile}.items(), "its race is the profile's"
    second = [
        r for r in records(folder).values() if r["identity"]["split"] == "cv" and len(r["identity"]["subset"]) == 2
    ]
    assert len(second) == sum(map(int, counts[1].values())) < 4 * len(counts[1])
    rows = [row for row in csv.DictReader((folder / PAIR / "greedy.csv").open()) if row["round"] == "2"]
    assert {row["layer"]: row["n"] for row in rows} == counts[1]
    assert {row["mean"] == "" for row in rows if row["n"] != "4"} == {True}
    assert "Nothing to be done" in snakemake(folder, "all").output
    status = subtuning(folder, "status")
    assert status.code == 0
    assert re.search(r"In all: \d+ done, 0 running, 0 missing, 0 diverged", status.output), status.output
    before = records(folder)
    write_config(folder, changed("search.effort", "full", config=CONFIG))
    result = snakemake(folder, "all")
    assert result.code == 0, result.output
    after = records(folder)
    assert len(after) > len(before), "what was dropped is trained"
    assert {key: after[key] for key in before} == before, "and nothing again"
