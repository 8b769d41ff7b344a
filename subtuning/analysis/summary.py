"""The tables of all tasks and backbones, combined, and one compact table for a paper or a talk."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from subtuning.analysis.files import write_csv, write_text
from subtuning.analysis.tables.evaluation import COLUMNS as EVALUATION
from subtuning.analysis.tables.profile import COLUMNS as PROFILE

COMBINED_COLUMNS = ["task", "backbone", "table", "name", *EVALUATION[1:]]
COMBINED_COLUMNS += [column for column in PROFILE[1:] if column not in COMBINED_COLUMNS]

COUNTS = ["n", "trained_parameters", "parameters", "flops"]

ABSENT = "-"
"""The compact table's cell for a method that was not run on this task and backbone."""

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
    tasks = list(dict.fromkeys(task for task, *_ in items))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for task, backbone, evaluation, _ in items:
        for row in evaluation.to_dict("records"):
            cells.setdefault((backbone, row["method"]), {})[task] = _cell(row)
    backbones = list(dict.fromkeys(backbone for _, backbone, *_ in items))
    rows = [
        {"backbone": backbone, "method": method, **{task: found.get(task, ABSENT) for task in tasks}}
        for backbone in backbones
        for (owner, method), found in cells.items()
        if owner == backbone
    ]
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
    summary: Summary,
    combined_csv: str | Path,
    compact_csv: str | Path,
    markdown: str | Path,
    latex: str | Path,
    notes: Sequence[str] = (),
) -> None:
    """Write `combined` as csv, and `compact` as csv, Markdown (with `notes` below it) and LaTeX (UTF-8)."""
    write_csv(summary.combined, combined_csv)
    write_csv(summary.compact, compact_csv)
    table = summary.compact.to_markdown(index=False, disable_numparse=True)
    write_text("".join(f"{text}\n" for text in [table, *(f"\n{note}." for note in notes)]), markdown)
    write_text(latex_table(summary.compact), latex)


def latex_table(table: pd.DataFrame) -> str:
    r"""A ``tabular`` for ``\input`` into a document that loads ``booktabs``; every cell of `table` is text."""
    escaped = table.map(_latex).rename(columns=_latex)
    columns = "ll" + "r" * (table.shape[1] - 2)
    body = escaped.to_latex(index=False, escape=False, column_format=columns)
    return "% needs \\usepackage{booktabs}\n" + body


def _cell(row: dict) -> str:
    if pd.isna(row["mean"]):
        return "diverged"
    mean = f"{100 * row['mean']:.1f}"
    if pd.isna(row["ci_high"]):
        return mean
    return f"{mean} ± {100 * (row['ci_high'] - row['mean']):.1f}"


_LATEX = {character: f"\\{character}" for character in "&%$#_{}"}
_LATEX |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"}


def _latex(text: object) -> str:
    return "".join(_LATEX.get(character, character) for character in str(text))
