"""The tables of all tasks and backbones, combined, and one compact table for a paper or a talk."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from subtuning.analysis.files import write_csv
from subtuning.analysis.pages.table import table_page
from subtuning.analysis.paper import best_methods, score_words
from subtuning.analysis.tables import Item
from subtuning.analysis.tables.evaluation import COLUMNS as EVALUATION
from subtuning.analysis.tables.profile import COLUMNS as PROFILE
from subtuning.runs.store import write_atomically

COMBINED_COLUMNS = ["task", "backbone", "table", "name", *EVALUATION[1:]]
COMBINED_COLUMNS += [column for column in PROFILE[1:] if column not in COMBINED_COLUMNS]

COUNTS = ["n", "images", "trained_parameters", "parameters", "flops"]

ABSENT = "-"
"""The compact table's cell for a method that was not run on this task and backbone."""

GROUPS = {"natural": 7, "specialised": 4, "structured": 8}
"""VTAB's groups and how many of its 19 tasks each has (Zhai et al., arXiv 1910.04867)."""


def combined_table(items: Sequence[Item]) -> pd.DataFrame:
    """Every row of the evaluation and profile tables of all tasks and backbones, in the given order.

    A row is a method (`table` is ``evaluation``: test set, over seeds) or a layer (``profile``) with its name in
    `name`; a column that a table does not have is empty there.
    """
    parts = []
    for task, backbone, evaluation, profile in items:
        for table, frame, name in (("evaluation", evaluation, "method"), ("profile", profile, "layer")):
            rows = frame.rename(columns={name: "name"}).to_dict("records")
            parts += [{"task": task, "backbone": backbone, "table": table, **row} for row in rows]
    combined = pd.DataFrame(parts, columns=COMBINED_COLUMNS)
    # Nullable integers: a column that only one of the two tables has must not turn its counts into 1.2e+06.
    return combined.astype(dict.fromkeys(COUNTS, "Int64"))


def compact_table(items: Sequence[Item]) -> pd.DataFrame:
    """Test accuracy in percent as text, with its interval: one row a backbone and method, one column a task.

    ``mean ± half width``, or ``mean [low, high]`` where the sides differ; over seeds and images where the runs hold
    predictions. ``**bold**`` is the best of a task and backbone, or not significantly worse. A method of which a run
    diverged reads ``diverged``, one that was not run ``-``; a single seed has no interval.
    """
    marked = [(task, backbone, _marked(evaluation), profile) for task, backbone, evaluation, profile in items]
    return _by_task(marked, lambda row: row["words"]).fillna(ABSENT)


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


def write_formats(
    table: pd.DataFrame,
    path: Path,
    notes: Sequence[str] = (),
    columns: str = "",
    words: Mapping[str, str] | None = None,
) -> None:
    r"""Write a table of text to files that begin as `path`: .csv, .md and .html with the `notes` below it, and .tex.

    The last is a ``tabular`` for ``\input`` into a document that loads ``booktabs``. A cell such as ``**96.5**`` is
    bold in the last two. `columns` are the letters of LaTeX's columns, ``llrr...`` if not given. `words` explain
    columns of this table alone.
    """
    plain = table.map(lambda cell: cell.replace("**", "") if isinstance(cell, str) else cell)
    write_csv(plain, path.with_suffix(".csv"))
    markdown = [table.to_markdown(index=False, disable_numparse=True), *(f"\n{note}." for note in notes)]
    write_atomically(path.with_suffix(".md"), "".join(f"{text}\n" for text in markdown))
    write_atomically(path.with_suffix(".html"), table_page(table, path.stem.capitalize(), notes, words))
    latex = table.to_latex(index=False, escape=True, column_format=columns or "ll" + "r" * (table.shape[1] - 2))
    latex = re.sub(r"\*\*(.+?)\*\*", r"\\textbf{\1}", latex)
    text = "% needs \\usepackage{booktabs}\n" + latex.replace("±", r"$\pm$")
    write_atomically(path.with_suffix(".tex"), text)


def _marked(evaluation: pd.DataFrame) -> pd.DataFrame:
    bold = best_methods(evaluation)
    rows = evaluation.to_dict("records")
    words = [f"**{score_words(row)}**" if row["method"] in bold else score_words(row) for row in rows]
    return evaluation.assign(words=words)
