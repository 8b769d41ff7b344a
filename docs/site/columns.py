"""Write the tables of columns in docs/read.md: what each column means, with an example.

    python docs/site/columns.py

The words are those of `subtuning/analysis/pages/columns.py`, which the workflow's own pages show as well; the examples
are rows of the default job's tables (docs/results/).
"""

import re
from pathlib import Path

import pandas as pd

from subtuning.analysis.pages.columns import explanations, is_fraction
from subtuning.analysis.tables import evaluation, greedy, profile, tune

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/read.md"
BEGIN = "<!-- Written by `python docs/site/columns.py`: {name} -->"
END = "<!-- End of the columns of {name} -->"

TABLES = {
    "profile": (profile.COLUMNS, "digits_1epoch_profile.csv", {"layer": "blocks.4.1"}),
    "greedy": (greedy.COLUMNS, "digits_1epoch_greedy.csv", {"layer": "blocks.3.1", "round": 2}),
    "tune": (tune.COLUMNS, "digits_1epoch_tune.csv", {"method": "best_layer", "chosen": True}),
    "evaluation": (evaluation.COLUMNS, "digits_1epoch.csv", {"method": "best_layer"}),
}
"""Table -> its columns, the file of the example, and what tells the row that is shown."""


def with_columns(page: str) -> str:
    """The text of the page with today's columns between the marks of each table."""
    for name in TABLES:
        begin, end = BEGIN.format(name=name), END.format(name=name)
        if page.count(begin) != 1 or page.count(end) != 1:
            raise ValueError(f"{PAGE} lacks the lines {begin!r} and {end!r}")
        head, _, rest = page.partition(begin)
        page = f"{head}{begin}\n\n{columns(name)}\n{end}{rest.partition(end)[2]}"
    return page


def columns(name: str) -> str:
    """A table of Markdown: a row for each column."""
    names, file, which = TABLES[name]
    row = example(file, which)
    lines = ["| column | example | what it says |", "|---|---|---|"]
    for column, words in explanations(names).items():
        lines.append(f"| `{column}` | {shown(column, row.get(column, ''))} | {words.replace('|', '&#124;')} |")
    return "\n".join(lines) + "\n"


def example(file: str, which: dict[str, object]) -> dict[str, str]:
    """The first row of a table of docs/results with these values, as it is written there."""
    table = pd.read_csv(ROOT / "docs/results" / file, dtype=str, keep_default_na=False)
    for column, value in which.items():
        table = table[table[column] == str(value)]
    return dict(table.iloc[0])


def shown(column: str, value: str) -> str:
    """A cell as people read it: accuracies in percent, other numbers with three digits."""
    if not re.fullmatch(r"-?\d[\d.]*(e[+-]?\d+)?", value):
        return f"`{value}`" if value else ""
    number = float(value)
    if is_fraction(column):
        return f"{100 * number:.1f} %" if not column.startswith("diff_") else f"{100 * number:+z.1f} points"
    return f"{number:,.0f}" if number == int(number) and number < 1e9 else f"{number:.3g}"


if __name__ == "__main__":
    PAGE.write_text(with_columns(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
