"""The table that VTAB-1k papers print: the tasks by group, a mean for each group, and the mean over all tasks."""

from collections.abc import Mapping, Sequence

import pandas as pd

from subtuning.analysis.summary import ABSENT, Item

GROUPS = {"natural": 7, "specialised": 4, "structured": 8}
"""VTAB's groups and how many of its 19 tasks each has (Zhai et al., arXiv 1910.04867)."""


def vtab_table(items: Sequence[Item], group_of: Mapping[str, str]) -> pd.DataFrame:
    """Mean test accuracy in percent as text: one row a backbone and method, one column a task, then the means.

    Args:
        items: (task, backbone, evaluation, profile), as for `summary_tables`; tasks keep their order within a group.
        group_of: the group of every VTAB-1k task among them; other tasks are left out.

    Returns:
        Columns backbone, method, the tasks in the order of `GROUPS`, ``mean natural``, ``mean specialised``,
        ``mean structured`` and ``mean``, which is over the 19 tasks, not over the groups. A mean is given only where
        all tasks of its group (or all 19) have a number; else the cell reads ``-``.
    """
    tasks = [t for group in GROUPS for t in dict.fromkeys(item[0] for item in items) if group_of.get(t) == group]
    scores: dict[tuple[str, str], dict[str, float]] = {}
    for task, backbone, evaluation, _ in items:
        if task in group_of:
            for method, mean in zip(evaluation["method"], evaluation["mean"], strict=True):
                scores.setdefault((backbone, method), {})[task] = 100 * mean
    rows = []
    for (backbone, method), found in scores.items():
        means = {f"mean {group}": _mean(found, group_of, {group}, count) for group, count in GROUPS.items()}
        cells = {task: found.get(task) for task in tasks} | means
        cells["mean"] = _mean(found, group_of, set(GROUPS), sum(GROUPS.values()))
        rows.append({"backbone": backbone, "method": method} | {name: _text(value) for name, value in cells.items()})
    return pd.DataFrame(rows, columns=["backbone", "method", *tasks, *(f"mean {group}" for group in GROUPS), "mean"])


def _mean(found: Mapping[str, float], group_of: Mapping[str, str], groups: set[str], count: int) -> float | None:
    values = [value for task, value in found.items() if group_of[task] in groups and not pd.isna(value)]
    return sum(values) / count if len(values) == count else None


def _text(value: float | None) -> str:
    return ABSENT if value is None or pd.isna(value) else f"{value:.1f}"
