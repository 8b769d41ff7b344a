"""The table of VTAB-1k: order of tasks, group means, and no mean where a task is missing."""

import pandas as pd

from subtuning.analysis.summary import GROUPS, vtab_table

TASKS = {f"{group}{i}": group for group, count in reversed(GROUPS.items()) for i in range(count)}


def _items(scores):
    evaluation = {
        task: pd.DataFrame({"method": ["linear", "full"], "mean": [score, 0.5]}) for task, score in scores.items()
    }
    return [(task, "resnet50", frame, pd.DataFrame()) for task, frame in evaluation.items()]


def test_means_are_over_a_group_and_over_all_tasks():
    scores = {task: {"natural": 0.9, "specialised": 0.8, "structured": 0.3}[group] for task, group in TASKS.items()}
    scores["natural0"] = 0.2
    table = vtab_table(_items(scores), TASKS).set_index("method")
    assert list(table.columns[:8]) == ["backbone", *(f"natural{i}" for i in range(7))]
    assert list(table.columns[-4:]) == ["mean natural", "mean specialised", "mean structured", "mean"]
    linear = table.loc["linear"]
    assert linear["mean natural"] == "80.0"  # (6 x 90 + 20) / 7
    assert linear["mean specialised"] == "80.0"
    assert linear["mean"] == "58.9"  # (560 + 320 + 240) / 19, not the mean of the group means, 63.3
    assert set(table.loc["full"][1:]) == {"50.0"}


def test_a_missing_or_diverged_task_leaves_its_means_empty():
    scores = dict.fromkeys(TASKS, 0.5)
    del scores["structured3"]
    scores["natural2"] = float("nan")
    linear = vtab_table([*_items(scores), *_items({"mine": 0.9})], TASKS).set_index("method").loc["linear"]
    assert linear["natural2"] == linear["mean natural"] == linear["mean structured"] == linear["mean"] == "-"
    assert linear["mean specialised"] == "50.0"
    assert "mine" not in linear
