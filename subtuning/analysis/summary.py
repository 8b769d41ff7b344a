"""The tables of all tasks and backbones, combined, and one compact table for a paper or a talk."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from subtuning.analysis.files import write_csv
from subtuning.analysis.tables.evaluation import COLUMNS as EVALUATION
from subtuning.analysis.tables.profile import COLUMNS as PROFILE
from subtuning.runs.store import write_atomically

COMBINED_COLUMNS = ["task", "backbone", "table", "name", *EVALUATION[1:]]
COMBINED_COLUMNS += [column for column in PROFILE[1:] if column not in COMBINED_COLUMNS]

COUNTS = ["n", "trained_parameters", "parameters", "flops"]

ABSENT = "-"
"""The compact table's cell for a method that was not run on this task and backbone."""

GROUPS = {"natural": 7, "specialised": 4, "structured": 8}
"""VTAB's groups and how many of its 19 tasks each has (Zhai et al., arXiv 1910.04867)."""

Item = tuple[str, str, pd.DataFrame, pd.DataFrame]
"""(task, backbone, evaluation table, profile table)."""


class Summary(NamedTuple):
    """`combined`: every row of every table, tidy. `compact`: accuracies as text, methods x tasks."""

    combined: pd.DataFrame
    compact: pd.DataFrame


def summary_tables(items: Sequence[Item]) -> Summary:
    """Combine the evaluation and profile tables of all tasks and backbones, in the given order.

    `combined` has one row a method (`table` is ``evaluation``: test set, over seeds) or layer (``profile``) with its
    name in `name`; a column that a table does not have is empty there. `compact`: see `compact_table`.
    """
    parts = []
    for task, backbone, evaluation, profile in items:
        for table, frame, name in (("evaluation", evaluation, "method"), ("profile", profile, "layer")):
            rows = frame.rename(columns={name: "name"}).to_dict("records")
            parts += [{"task": task, "backbone": backbone, "table": table, **row} for row in rows]
    combined = pd.DataFrame(parts, columns=COMBINED_COLUMNS)
    # Nullable integers: a column that only one of the two tables has must not turn its counts into 1.2e+06.
    return Summary(combined.astype(dict.fromkeys(COUNTS, "Int64")), compact_table(items))


def compact_table(items: Sequence[Item]) -> pd.DataFrame:
    """Test accuracy in percent as text, ``mean ± half width``: one row a backbone and method, one column a task.

    A method of which a run diverged reads ``diverged``, one that was not run ``-``; a single seed has no ±.
    """
    return _by_task(items, _cell).fillna(ABSENT)


def vtab_table(items: Sequence[Item], group_of: Mapping[str, str]) -> pd.DataFrame:
    """The table that VTAB-1k papers print: mean test accuracy in percent as text, a row a backbone and method.

    Args:
        group_of: the group of every VTAB-1k task among the items; other tasks are left out.

    Returns:
        Columns backbone, method, the tasks in the order of `GROUPS` and within a group as given, ``mean natural``,
        ``mean specialised``, ``mean structured`` and ``mean``, which is over the 19 tasks, not over the groups. A mean
        is given only where all tasks of its group (or all 19) have a number; else the cell reads ``-``.
    """
    scores = _by_task([item for item in items if item[0] in group_of], lambda row: 100 * row["mean"])
    tasks = {group: [task for task in scores if group_of.get(task) == group] for group in GROUPS}
    every = [task for members in tasks.values() for task in members]
    table = scores[["backbone", "method", *every]].copy()
    means = [(f"mean {group}", tasks[group], count) for group, count in GROUPS.items()]
    for name, members, count in [*means, ("mean", every, sum(GROUPS.values()))]:
        table[name] = scores[members].mean(axis=1, skipna=False) if len(members) == count else float("nan")
    return table.map(lambda cell: cell if isinstance(cell, str) else ABSENT if pd.isna(cell) else f"{cell:.1f}")


def _by_task(items: Sequence[Item], cell: Callable[[dict], Any]) -> pd.DataFrame:
    """A cell for each row of the evaluation tables: a row a backbone and method, a column a task, as they come."""
    cells: dict[tuple[str, str], dict[str, Any]] = {}
    for task, backbone, evaluation, _ in items:
        for row in evaluation.to_dict("records"):
            cells.setdefault((backbone, row["method"]), {})[task] = cell(row)
    tasks, backbones = (list(dict.fromkeys(item[column] for item in items)) for column in (0, 1))
    keys = sorted(cells, key=lambda key: backbones.index(key[0]))
    rows = [{"backbone": backbone, "method": method} | cells[backbone, method] for backbone, method in keys]
    return pd.DataFrame(rows, columns=["backbone", "method", *tasks])


def precision_words(items: Sequence[Item]) -> str:
    """The precision of the numbers as a sentence; where it is not the same for all, how to change that."""
    found: dict[str, list[str]] = {}
    for task, backbone, evaluation, _ in items:
        for precision in evaluation["precision"].unique():
            found.setdefault(precision, []).append(f"{task}/{backbone}")
    if len(found) == 1:
        return f"Computed in {next(iter(found))}."
    words = "; ".join(f"{precision}: {', '.join(pairs)}" for precision, pairs in found.items())
    return f"Not computed alike ({words}): set recipe.precision before you compare these tasks or backbones."


def write_summary(
    summary: Summary, combined_csv: Path, compact_csv: Path, markdown: Path, latex: Path, notes: Sequence[str] = ()
) -> None:
    """Write `combined` as csv, and `compact` as csv, Markdown (with `notes` below it) and LaTeX (UTF-8)."""
    write_csv(summary.combined, combined_csv)
    write_csv(summary.compact, compact_csv)
    table = summary.compact.to_markdown(index=False, disable_numparse=True)
    write_atomically(markdown, "".join(f"{text}\n" for text in [table, *(f"\n{note}." for note in notes)]))
    write_atomically(latex, latex_table(summary.compact))


def latex_table(table: pd.DataFrame) -> str:
    r"""A ``tabular`` for ``\input`` into a document that loads ``booktabs``; every cell of `table` is text."""
    body = table.to_latex(index=False, escape=True, column_format="ll" + "r" * (table.shape[1] - 2))
    return "% needs \\usepackage{booktabs}\n" + body.replace("±", r"$\pm$")


def _cell(row: dict) -> str:
    if pd.isna(row["mean"]):
        return "diverged"
    mean = f"{100 * row['mean']:.1f}"
    if pd.isna(row["ci_high"]):
        return mean
    return f"{mean} ± {100 * (row['ci_high'] - row['mean']):.1f}"
