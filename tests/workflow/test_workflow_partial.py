"""One value changes: what depends on it is made again, and nothing else.

Which jobs the real DAG shows, for two tasks and two backbones whose files were made by a stand-in for the command
`subtuning`; what is then trained: test_workflow_partial_runs.py.
"""

from collections import Counter

import pytest

from tests.workflow.snake import changed, new_folder, write_arrays, write_config
from tests.workflow.stand_in import (
    DRAWN,
    NEW_NUMBERS,
    OF_BACKBONE,
    OF_TASK,
    SEARCHED,
    SHARDED,
    SHARED,
    TESTED,
    TRAINED,
    TWO_BY_TWO,
    all_have,
    edit,
    planned,
)

CHANGES = {
    "epochs": (["recipe.epochs", 2], TRAINED, ""),
    "a recipe of one backbone": (["backbones/other/recipe", {"lr": 0.01}], OF_BACKBONE, "backbone=other"),
    "a recipe of one task": (["tasks/more/recipe", {"lr": 0.01}], OF_TASK, "task=more"),
    "a default is written out": (["recipe.weight_decay", 0.01], {}, ""),
    "folds": (["profile.folds", 3], TRAINED, ""),
    "folds of greedy": (["greedy.folds", 3], SEARCHED, ""),
    "shards": (["profile.shards", 2], {**SHARDED, "check_plan": 4}, ""),
    "shards of greedy": (["greedy.shards", 2], {**SEARCHED, "train_greedy": 16}, ""),
    "one round more": (["greedy.max_rounds", 3], {**SEARCHED, "train_greedy": 4, "select_greedy": 4}, "round=3"),
    "one round less": (["greedy.max_rounds", 1], {"greedy_path": 4, **DRAWN}, ""),
    "the other direction too": (["greedy.start", "best"], SEARCHED, "direction=backward"),
    "epsilon": (["greedy.epsilon", 0.01], {"greedy_path": 4, **DRAWN}, ""),
    "the stop": (["greedy.stop", "test"], {"greedy_path": 4, **DRAWN}, ""),
    "seeds of the search": (["search.seeds", 2], TRAINED, ""),
    "another first seed": (["search.first_seed", 100], TRAINED, ""),
    "the metric": (["search.metric", "macro_f1"], TRAINED, ""),
    "the effort": (["search.effort", "fast"], TRAINED, ""),
    "another way of training": (["search.how", "lora(rank=2)"], TRAINED, ""),
    "seeds": (["evaluate.seeds", 3], DRAWN, ""),
    "tuned rates": (
        ["tune.lr", [0.1, 1]],
        {"train_experiment": 4, "experiment_table": 4, "draw_experiment": 4, **DRAWN},
        "",
    ),
    "another method to deliver": (["deliver.method", "full"], {"deliver": 4, "all": 1}, ""),
    "another subset": (["evaluate/subsets", {"mine": ["stem"]}], DRAWN, ""),
    "a profile on test": (["profile.test_seeds", 1], TESTED, ""),
    "input size": (["backbones/other/input_size", 64], {"describe_backbone": 1, **OF_BACKBONE}, "backbone=other"),
    "how a task is split": (["tasks/more/split_seed", 1], {"convert_task": 1, **OF_TASK}, "task=more"),
    "another task": (
        ["tasks/third", {"source": "arrays", "path": "cells.npz"}],
        {"convert_task": 1, **OF_TASK},
        "task=third",
    ),
    "another model": (
        ["backbones/other/model", "test_vit2"],
        {"fetch_weights": 1, "describe_backbone": 1, **OF_BACKBONE},
        "backbone=other",
    ),
}
"""What: (the change, the jobs it leads to, a wildcard that all of these have but for tables over everything)."""


def test_nothing_changes(snakemake, folder):
    assert planned(snakemake, folder) == []


@pytest.mark.parametrize("case", CHANGES)
def test_a_value_of_the_config_changes(case, snakemake, folder):
    values, expected, wildcard = CHANGES[case]
    write_config(folder, changed(*values, config=TWO_BY_TWO))
    found = planned(snakemake, folder)
    assert Counter(job.rule for job in found) == expected
    assert all_have(found, wildcard)


def test_the_file_of_one_task_changes(snakemake, folder):
    write_arrays(folder / "more.npz", seed=2)
    found = planned(snakemake, folder)
    assert Counter(job.rule for job in found) == {"convert_task": 1, **OF_TASK}
    assert all_have(found, "task=more")


def test_an_image_of_a_folder_changes(snakemake, tmp_path, stand_in):
    images = tmp_path / "pictures"
    for name in ("a/0.png", "b/0.png"):
        (images / name).parent.mkdir(parents=True)
        (images / name).write_text("as large")
    config = changed("tasks/more", {"source": "folder", "path": "pictures"})
    folder = new_folder(tmp_path, config)
    assert snakemake(folder, **stand_in).code == 0
    assert planned(snakemake, folder) == []
    (images / "b/0.png").write_text("AS LARGE")
    found = planned(snakemake, folder)
    assert found
    assert all_have(found, "task=more")
    assert "convert_task" in {job.rule for job in found}
    assert "fetch_weights" not in {job.rule for job in found}


def test_a_weights_file_changes(snakemake, folder):
    (folder / "other.safetensors").write_text("better weights")
    found = planned(snakemake, folder)
    assert Counter(job.rule for job in found) == {
        "fetch_weights": 1, "describe_backbone": 1, **OF_BACKBONE
    }  # fmt: skip
    assert all_have(found, "backbone=other")


def test_a_comment_or_docstring_in_numerical_code_changes(snakemake, folder, checkout):
    edit(checkout / "subtuning/training/loop.py", "\n\n# a remark\n'''And a text.'''\n")
    edit(checkout / "subtuning/analysis/figures/profile.py", "\n# a remark\n")
    assert planned(snakemake, folder, root=checkout) == []


def test_the_numbers_change(snakemake, folder, checkout):
    edit(checkout / "subtuning/runs/numbers.py", NEW_NUMBERS)
    found = planned(snakemake, folder, root=checkout)
    assert Counter(job.rule for job in found) == {"describe_backbone": 2, **TRAINED}
    assert all("Params have changed" in job.reason for job in found if job.rule == "describe_backbone")


@pytest.mark.parametrize("file", ["cli/steps.py", "training/loop.py"])
def test_code_that_changes_no_number_changes(file, snakemake, folder, checkout):
    edit(checkout / "subtuning" / file, "\nSOMETHING = 1\n")
    assert planned(snakemake, folder, root=checkout) == []


def test_a_formula_of_the_tables_changes(snakemake, folder, checkout):
    """Tables and figures are made anew, and nothing is trained."""
    edit(checkout / "subtuning/analysis/statistics.py", "\nSOMETHING = 1\n")
    found = {job.rule for job in planned(snakemake, folder, root=checkout)}
    assert {"profile_table", "select_greedy", "greedy_path", "evaluation_table", "summary"} <= found
    assert "train_profile" not in found


def test_the_style_of_figures_changes(snakemake, folder, checkout):
    edit(checkout / "subtuning/analysis/figures/style.py", "\nSOMETHING = 1\n")
    found = planned(snakemake, folder, root=checkout)
    assert Counter(job.rule for job in found) == {"draw_figures": 4, "errors": 4, "summary": 1, "all": 1, **SHARED}
