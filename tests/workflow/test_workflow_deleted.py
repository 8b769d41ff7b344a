"""results/README.md says of each folder what deleting it costs: it is deleted, and the same command is given again."""

import re
import shutil
from pathlib import Path

import pytest

from tests.workflow.snake import ROOT, changed, copy, jobs, new_runs, records, what, write_config

COSTS_NOTHING = ["data", "checkpoints", "claims", "logs", "benchmarks", "tensorboard", "models", ".cache"]
MADE_WHEN_NEEDED = ["tasks", "backbones"]
MADE_FROM_RUNS = ["<task>", "tables", "figures"]
TRAINED_AGAIN = ["runs"]


def delete(folder: Path, names: list[str]) -> Path:
    for name in names:
        path = folder / "results" / name.replace("<task>", "cells")
        path.mkdir(exist_ok=True)  # a small workflow has no archives, checkpoints or caches
        shutil.rmtree(path)
    return folder


@pytest.fixture
def folder(finished, tmp_path):
    return copy(finished[0], tmp_path / "project")


def test_every_folder_of_the_page_is_deleted_here_and_every_folder_is_on_the_page(finished):
    page = (ROOT / "results/README.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    named = {name.split("/")[0] for row in rows for name in re.findall(r"`([^`]+)/`", row)}
    assert named == {*COSTS_NOTHING, *MADE_WHEN_NEEDED, *MADE_FROM_RUNS, *TRAINED_AGAIN}
    made = {path.name for path in (finished[0] / "results").iterdir() if path.is_dir()}
    assert made - {"cells"} <= named
    kept = set(re.findall(r"^\| (`.*?) \|.*\*\*trained again\*\*", page, re.MULTILINE))
    assert kept == {"`runs/`"}


def test_only_one_page_says_what_may_be_deleted():
    pages = [ROOT / "README.md", ROOT / "config/README.md", *(ROOT / "docs").rglob("*.md")]
    words = re.compile(r"(can|may|could|must not|never)\s+(be\s+)?(delete|remove|go\b)", re.IGNORECASE)
    found = [part for page in pages for part in page.read_text().split("\n\n") if words.search(part)]
    about = [part for part in found if "results/" in part or "archive" in part.lower()]
    assert len(about) >= 2
    assert not [part for part in about if "](../results/README.md)" not in part]


def test_what_costs_nothing(folder, snakemake):
    (folder / "results/tasks/cells/names.json").unlink()  # as with an earlier version's task: it stays
    result = snakemake(delete(folder, COSTS_NOTHING), "--dry-run")
    assert "Nothing to be done" in result.output


@pytest.mark.slow
def test_what_is_made_again_from_the_store_trains_nothing(finished, folder, snakemake):
    before = records(folder)
    costs_nothing = [name for name in COSTS_NOTHING if name != "models"]  # what is delivered is made from them
    result = snakemake(delete(folder, [*MADE_FROM_RUNS, *costs_nothing]))
    assert result.code == 0, result.output
    assert records(folder) == before
    for name in ("tables/summary.md", "cells/tiny/profile.csv", "cells/tiny/greedy.csv", "cells/tiny/evaluation.csv"):
        assert (folder / "results" / name).read_bytes() == (finished[0] / "results" / name).read_bytes()
    assert (folder / "results/tensorboard/cells").is_dir()


@pytest.mark.slow
def test_what_is_made_again_when_something_is_to_be_trained(folder, snakemake):
    """The one seed more is all that is trained; images and weights come back for it."""
    before = records(folder)
    delete(folder, MADE_WHEN_NEEDED)
    assert "Nothing to be done" in snakemake(folder, "--dry-run").output
    write_config(folder, changed("evaluate.seeds", 3))
    result = snakemake(folder)
    assert result.code == 0, result.output
    assert {(split, seed) for _, split, _, seed in new_runs(folder, before)} == {("test", 2)}
    assert (folder / "results/tasks/cells/task.json").is_file()
    assert (folder / "results/backbones/tiny/weights.safetensors").is_file()


@pytest.mark.slow
def test_without_the_store_a_table_is_trained_again(folder, snakemake):
    before = records(folder)
    delete(folder, TRAINED_AGAIN)
    assert "Nothing to be done" in snakemake(folder, "--dry-run").output
    shutil.rmtree(folder / "results/cells")
    result = snakemake(folder)
    assert result.code == 0, result.output
    assert sorted(map(what, records(folder).values())) == sorted(map(what, before.values()))
    assert not jobs(snakemake(folder, "--dry-run").output)
