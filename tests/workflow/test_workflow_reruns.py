"""The table of docs/reruns.md: every row is done to a finished project, and Snakemake says which jobs run again."""

import re

import pytest

from tests.workflow.snake import LAYERS, ROOT, changed, copy, new_runs, records, write_arrays, write_config
from tests.workflow.stand_in import TWO_BY_TWO, all_have, edit, planned


def config(*change):
    return lambda project, root: write_config(project, changed(*change, config=TWO_BY_TWO))


def code(file, text):
    return lambda project, root: edit(root / "subtuning" / file, text)


def comment_in_config(project, root):
    file = project / "config" / "config.yaml"
    write_config(project, dict(reversed(TWO_BY_TWO.items())))
    file.write_text(f"# a remark\n{file.read_text()}")


CHANGES = {
    "`recipe.epochs`": (config("recipe.epochs", 2), ""),
    "`lr` of one backbone": (config("backbones/other/recipe", {"lr": 0.01}), "backbone=other"),
    "`profile.folds`": (config("profile.folds", 3), ""),
    "`greedy.folds`": (config("greedy.folds", 3), ""),
    "`greedy.cost` with `cost_cap`": (config("greedy.cost", "flops", "greedy.cost_cap", 0.5), ""),
    "`greedy.cost` with `cost_weight`": (config("greedy.cost", "parameters", "greedy.cost_weight", 0.05), ""),
    "`evaluate.seeds` raised": (config("evaluate.seeds", 3), ""),
    "`greedy.max_rounds` raised": (config("greedy.max_rounds", 3), "round=3"),
    "`greedy.max_rounds` lowered": (config("greedy.max_rounds", 1), ""),
    "`greedy.epsilon`": (config("greedy.epsilon", 0.01), ""),
    "`greedy.stop`": (config("greedy.stop", "one_se"), ""),
    "`search.seeds` raised": (config("search.seeds", 2), ""),
    "`search.first_seed`": (config("search.first_seed", 100), ""),
    "`search.metric`": (config("search.metric", "macro_f1"), ""),
    "`search.how`": (config("search.how", "biases"), ""),
    "`search.effort`": (config("search.effort", "fast"), ""),
    "`deliver.method`": (config("deliver.method", "full"), ""),
    "`deliver.data`, `deliver.calibrate`": (config("deliver", {"data": "all", "calibrate": True}), ""),
    "`profile.shards`": (config("profile.shards", 2), ""),
    "`greedy.shards`": (config("greedy.shards", 2), ""),
    "a task's images": (lambda project, root: write_arrays(project / "more.npz", seed=2), "task=more"),
    "code of tables, statistics or selection (`subtuning/analysis/`, `subtuning/search/`)": (
        code("analysis/statistics.py", "\nX = 1\n"),
        "",
    ),
    "the style of a figure (`subtuning/analysis/figures/`)": (code("analysis/figures/style.py", "\nSTYLE = 1\n"), ""),
    "code of the delivered model (`subtuning/deploy/`)": (code("deploy/card.py", "\nX = 1\n"), ""),
    "the numbers, which raises their version (`subtuning/runs/numbers.py`)": (
        code("runs/numbers.py", "\nCHANGES += (Change(1000, 'more', lambda identity: True),)\n"),
        "",
    ),
    "code that finds a backbone's layers (`subtuning/backbones/`)": (code("backbones/groups.py", "\nX = 1\n"), ""),
    "other code, such as the training loop, when no number changes": (code("training/loop.py", "\nX = 1\n"), ""),
    "a comment or docstring in any code": (code("training/loop.py", "\n# a remark\n'''And a text.'''\n"), ""),
    "a comment in the config, or the order of its keys": (comment_in_config, ""),
}
"""Row of the docs: (what is done, a wildcard that all jobs have but for the tables over everything)."""


def rows():
    """The table of the docs: what is changed -> (rules, of what)."""
    found = re.findall(r"^\| (.+?) \| (.+?) \| (.*?) ?\| .+ \|$", (ROOT / "docs/reruns.md").read_text(), re.MULTILINE)
    return {what: (set(re.findall(r"`(\w+)`", rules)), of) for what, rules, of in found[1:]}


def test_every_row_of_the_docs_is_tested():
    assert list(rows()) == list(CHANGES)


@pytest.mark.parametrize("what", CHANGES)
def test_the_jobs_that_run_again(what, snakemake, folder, checkout):
    change, wildcard = CHANGES[what]
    change(folder, checkout)
    found = planned(snakemake, folder, root=checkout)
    rules, of = rows()[what]
    assert {job.rule for job in found} - {"all"} == rules
    assert all_have(found, wildcard)
    assert bool(wildcard) == (of not in ("all", "")), "the docs say what it is of"


PROFILE = "results/cells/tiny/profile.csv"
EVERYTHING = {(name, "cv", fold, 0) for name in [*LAYERS, "linear", "full"] for fold in (0, 1)}


@pytest.mark.parametrize("what", ["epochs", "lr of the backbone", "images"])
def test_what_trains_everything(what, snakemake, finished, tmp_path):
    """And when the value is changed back, nothing is trained."""
    project = copy(finished[0], tmp_path / "project")
    before = records(project)
    change = {"epochs": ["recipe.epochs", 2], "lr of the backbone": ["backbones/tiny/recipe", {"lr": 0.01}]}.get(what)
    if change:
        write_config(project, changed(*change))
    else:
        write_arrays(project / "cells.npz", seed=3)
    assert snakemake(project, PROFILE).code == 0
    assert new_runs(project, before) == EVERYTHING
    after = records(project)
    write_config(project, changed())
    write_arrays(project / "cells.npz")
    assert snakemake(project, PROFILE).code == 0
    assert records(project) == after
