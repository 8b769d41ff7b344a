"""All 19 tasks from their published layouts to the table of VTAB-1k, scaled down, by the commands of the rules."""

import json

import pandas as pd
import pytest

from subtuning.cli import main
from subtuning.tasks.vtab.registry import TASKS
from tests.tasks import synthetic

RECIPE = json.dumps({"epochs": 1, "batch_size": 12})
SETTINGS = json.dumps(
    {
        "profile.folds": 2,
        "profile.tune": False,
        "evaluate.seeds": 2,
        "evaluate.subsets": {},
        "search.effort": "full",
        "search.seeds": 1,
        "search.metric": "accuracy",
    }
    | {"greedy.folds": 2, "greedy.split": "cv", "greedy.shards": 1, "greedy.start": "linear"}
    | {"greedy.max_rounds": 1, "greedy.epsilon": 0.0, "greedy.stop": "test"}
    | {"evaluate.recipes": {}, "tune.lr": [1], "tune.grow": False, "tune.full_budget": False}
    | {"tune.weight_decay": [], "tune.layer_decay": [], "tune.rank": []}
)


def _run(*arguments):
    assert main([str(argument) for argument in arguments]) == 0


@pytest.mark.slow
def test_nineteen_tasks_become_one_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    synthetic.make(tmp_path / "archives")
    _run("fetch", "--backbone", "tiny", "--spec", json.dumps({"model": "test_efficientnet", "weights": "random"}))
    spec = {"model": "test_efficientnet", "weights": "random", "input_size": 32, "granularity": "stage"}
    _run("describe", "--backbone", "tiny", "--spec", json.dumps(spec))
    for name in TASKS:
        vtab = {"source": "vtab", "name": name, "data_dir": "archives", "stored_size": 32}
        common = ("--task", name, "--backbone", "tiny", "--recipe", RECIPE, "--settings", SETTINGS)
        folder = tmp_path / "results" / name / "tiny"
        _run("fetch-task", "--task", name, "--spec", json.dumps(vtab))
        _run("convert", "--task", name, "--spec", json.dumps(vtab))
        for step in ("profile", "evaluation"):
            _run("train-step", step, *common)
            _run("conclude", step, *common, "--out", folder / f"{step}.csv")
    _run("tables", "--pairs", *(f"{name}/tiny" for name in TASKS), "--vtab", "--out", "results/tables")

    table = pd.read_csv("results/tables/vtab.csv", index_col="method")
    means = ["mean natural", "mean specialised", "mean structured", "mean"]
    assert sorted(table.columns) == sorted(["backbone", *TASKS, *means])
    groups = [TASKS[task].group for task in table.columns[1:20]]
    assert groups == ["natural"] * 7 + ["specialised"] * 4 + ["structured"] * 8
    for method in ("linear", "best_layer", "greedy", "full"):
        scores = [
            pd.read_csv(f"results/{name}/tiny/evaluation.csv", index_col="method")["mean"][method] for name in TASKS
        ]
        assert table["mean"][method] == pytest.approx(100 * sum(scores) / 19, abs=0.06)
    assert "mean structured" in (tmp_path / "results/tables/vtab.md").read_text()
    assert "\\toprule" in (tmp_path / "results/tables/vtab.tex").read_text()
