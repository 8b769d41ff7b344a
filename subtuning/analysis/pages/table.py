"""A table as one file that any browser shows, sorted by a click on a heading, with every column explained below."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from subtuning.analysis.pages.columns import explanations, is_fraction

STYLE = """
body {font: 14px/1.4 sans-serif; color: #222; margin: 1.5em}
.table {overflow-x: auto}
table {border-collapse: collapse; font-variant-numeric: tabular-nums}
th, td {padding: .25em .7em; border-bottom: 1px solid #e4e4e4; text-align: right; white-space: nowrap}
th {cursor: pointer; position: sticky; top: 0; background: white; border-bottom: 2px solid #6b6b6b}
th:hover {background: #f0f6fb}
th[aria-sort=ascending]::after {content: " \\25b2"}
th[aria-sort=descending]::after {content: " \\25bc"}
td.text, th.text {text-align: left}
td:first-child, th:first-child {position: sticky; left: 0; background: white}
tr:hover td {background: #f7f7f7}
dl {display: grid; grid-template-columns: max-content 1fr; gap: .2em 1.2em; max-width: 64em}
dt, code {font-family: monospace}
dd {margin: 0}
"""

SCRIPT = """
for (const table of document.querySelectorAll("table")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => heading.addEventListener("click", () => {
    const down = heading.getAttribute("aria-sort") !== "descending";
    const value = row => row.cells[column].dataset.value;
    const number = row => value(row) === "" ? -Infinity : Number(value(row));
    const compare = heading.classList.contains("text")
      ? (a, b) => value(b).localeCompare(value(a), undefined, {numeric: true})
      : (a, b) => number(b) - number(a);
    const rows = [...table.tBodies[0].rows].sort((a, b) => (down ? 1 : -1) * (compare(a, b) || 0));
    headings.forEach(other => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    table.tBodies[0].append(...rows);
  }));
}
"""


def table_page(
    table: pd.DataFrame, title: str, notes: Sequence[str] = (), words: Mapping[str, str] | None = None
) -> str:
    """A whole HTML page, in ASCII. Accuracies become percent; `words` explain columns of this table alone."""
    numbers = {column: values for column in table if (values := _numbers(table[column]))}
    words = explanations(table.columns) | dict(words or {})
    heads = "".join(_heading(column, column not in numbers, words.get(column, "")) for column in table)
    rows = "\n".join(
        f"<tr>{''.join(_cell(column, row[column], numbers.get(column), place) for column in table)}</tr>"
        for place, row in enumerate(table.to_dict("records"))
    )
    meanings = "\n".join(f"<dt>{html.escape(name)}</dt><dd>{_inline(text)}</dd>" for name, text in words.items())
    below = "".join(f"<p>{_inline(note)}.</p>\n" for note in notes)
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style></head><body>
<h2>{html.escape(title)}</h2>
<p>Click a heading to sort.</p>
<div class="table"><table><thead><tr>{heads}</tr></thead><tbody>
{rows}
</tbody></table></div>
{below}<dl>
{meanings}
</dl>
<script>{SCRIPT}</script>
</body></html>
"""
    return page.encode("ascii", "xmlcharrefreplace").decode()


def _heading(column: str, is_text: bool, words: str) -> str:
    kind = ' class="text"' if is_text else ""
    unit = " (%)" if is_fraction(column) else ""
    return f'<th{kind} title="{html.escape(words)}">{html.escape(column + unit)}</th>'


def _numbers(column: pd.Series) -> dict[int, float]:
    """Row -> the number by which it is sorted, of texts as ``+0.7 ± 1.3`` the first; empty for a column of words."""
    if pd.api.types.is_bool_dtype(column.dtype):
        return {}
    if pd.api.types.is_numeric_dtype(column.dtype):
        return {place: float(value) for place, value in enumerate(column) if not pd.isna(value)}
    found = {}
    for place, value in enumerate(column):
        text = "" if pd.isna(value) else str(value)
        if leading := re.match(r"[*< ]*([+-]?[0-9.]+)(?=$|[ *%])", text):
            found[place] = float(leading[1])
        elif re.search(r"\d", text):
            return {}
    return found


def _cell(column: str, value: Any, numbers: dict[int, float] | None, place: int) -> str:
    """A cell of row `place`; `numbers` are those of its column, None for a column of words."""
    shown = "" if pd.isna(value) else str(value)
    if numbers is None:
        return f'<td class="text" data-value="{html.escape(shown)}">{_inline(shown)}</td>'
    key = f"{numbers[place]:.6g}" if place in numbers else ""
    return (
        f'<td data-value="{key}">{_inline(shown) if isinstance(value, str) or not key else _number(column, value)}</td>'
    )


def _number(column: str, value: float) -> str:
    if is_fraction(column):
        return f"{100 * value:.2f}"
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _inline(text: str) -> str:
    text = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(text))
    return re.sub(r"`(.+?)`", r"<code>\1</code>", text)
