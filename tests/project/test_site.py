"""The documentation site: which pages it has, where its links lead, and that what is generated is up to date.

`.ci/run` builds it, which needs MkDocs; here is what needs no more than the tests do.
"""

import importlib.util
import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text())


def module(name: str):
    """A file of docs/site, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/site/{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


hooks = module("hooks")


def pages(nav: list) -> list[str]:
    """The pages of a navigation, in order."""
    values = [value for entry in nav for value in entry.values()]
    return [page for value in values for page in ([value] if isinstance(value, str) else pages(value))]


def test_every_page_is_in_the_navigation_once():
    files = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(pages(SITE["nav"])) == sorted(files | set(hooks.INCLUDED.values()))
    assert not files & set(hooks.INCLUDED.values()), "two pages of one name"
    assert all((ROOT / source).is_file() for source in hooks.INCLUDED)


def test_the_site_is_built_in_ci_and_needs_no_network():
    assert SITE["strict"] is True
    assert SITE["theme"]["font"] is False
    assert all(level == "warn" for kind in SITE["validation"].values() for level in kind.values())
    assert 'mkdocs" build --quiet --strict' in (ROOT / ".ci/run").read_text()


@pytest.mark.parametrize(
    ("page", "link", "led"),
    [
        ("folder.md", "[c](../config/README.md)", "[c](config.md)"),
        ("folder.md", "[c](../config/README.md#recipe)", "[c](config.md#recipe)"),
        ("index.md", "![p](docs/images/profile.png)", "![p](images/profile.png)"),
        ("index.md", "[the\nspeed](docs/performance.md)", "[the\nspeed](performance.md)"),
        ("contributing.md", "[r](docs/architecture.md)", "[r](architecture.md)"),
        ("log/speed.md", "[Start](../start.md) [start.md](../start.md)", "[Start](../start.md) [Start](../start.md)"),
        ("api.md", "[`api.py`](../subtuning/api.py)", "[`api.py`](https://example.org/x/blob/main/subtuning/api.py)"),
        ("read.md", "[s](stopping.md#the-best-layer)", "[s](stopping.md#the-best-layer)"),
        ("read.md", "[t](https://example.org) [h](#here) [n](nowhere.md)", None),
    ],
)
def test_links_lead_where_they_lead_in_the_repository(page, link, led, monkeypatch):
    monkeypatch.setattr(hooks, "repository", lambda: "https://example.org/x")
    assert hooks.LINK.sub(lambda found: hooks.led(found, hooks.source_of(page), page), link) == (led or link)


def test_lists_are_indented_as_the_site_needs_it():
    text = "1. One\n\n       sh here\n\n- a\n  - b\n  text\n"
    assert hooks.indented(text) == "1. One\n\n        sh here\n\n- a\n    - b\n  text\n"


def test_while_the_repository_has_no_name_its_files_are_no_links(monkeypatch):
    monkeypatch.setattr(hooks, "repository", lambda: f"https://github.com/{hooks.UNNAMED}")
    assert hooks.LINK.sub(lambda found: hooks.led(found, "docs/api.md", "api.md"), "[a](../LICENSE)") == "a"


def test_the_repository_is_named_in_one_place():
    """pyproject.toml; two pages show the placeholder, in whose place the site writes the name."""
    name = hooks.repository().partition("github.com/")[2]
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", name)
    words = ["git", "grep", "--files-with-matches", "--fixed-strings", "--", name]
    files = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    shown = {"docs/ecosystem.md", "docs/install.md", "docs/site/hooks.py"} if name == hooks.UNNAMED else set()
    assert set(files) == {"pyproject.toml"} | shown


def test_what_the_columns_mean_is_written_as_the_tables_say():
    columns = module("columns")
    text = columns.PAGE.read_text(encoding="utf-8")
    assert text == columns.with_columns(text), "run: python docs/site/columns.py"
    for names, _, _ in columns.TABLES.values():
        assert all(f"| `{name}` |" in text for name in names)
    assert columns.shown("mean", "0.9515") == "95.2 %"
    assert columns.shown("diff_full", "0.0086") == "+0.9 points"
    assert columns.shown("parameters", "183050") == "183,050"
    assert columns.shown("p_full", "1.06305e-12") == "1.06e-12"
    assert columns.shown("layers", "blocks.4.1") == "`blocks.4.1`"


def test_columns_of_the_other_tables_are_explained():
    from subtuning.analysis import ranks, sizes
    from subtuning.analysis.errors.mistakes import mistakes_table
    from subtuning.analysis.pages.columns import EXPLAINED
    from subtuning.analysis.tables import _subsets, active, rankings, stability

    text = (ROOT / "docs/read.md").read_text(encoding="utf-8").partition("### Columns of the other tables")[2]
    rows: dict[str, set[str]] = {}
    names: list[str] = []
    for line in text.splitlines():
        if line.startswith("|") and (cells := line.split("|"))[2].strip().startswith("`"):
            names = re.findall(r"`(\w+)\.csv`", cells[1]) or names
            for name in names:
                rows.setdefault(name, set()).update(re.findall(r"`([^`]+)`", cells[2]))
    zeros = np.zeros((1, 2), dtype=int)
    tables = {
        "mistakes": [*mistakes_table(zeros, zeros[0], ["a"], ["x", "y"]), "part"],
        "pairs": [*_subsets.COLUMNS, "first", "second"],
        "windows": [*_subsets.COLUMNS, "first", "size", "layers"],
        "rankings": rankings.COLUMNS,
        "stability": [*stability.COLUMNS, "gain_1", "gain_2"],
        "latency": list(pd.read_csv(ROOT / "docs/results/digits_latency.csv")),
        "active": active.COLUMNS,
        "ranks": ranks.COLUMNS,
        "sizes": [*sizes.COLUMNS, *sizes.LAYER_COLUMNS],
    }
    assert tables.keys() | {"classes", "sizes_layers", "all"} == rows.keys()
    for name, columns in tables.items():
        missing = set(columns) - rows[name] - EXPLAINED.keys()
        assert not missing, name


SHOWN = sorted({file.stem for file in (ROOT / "docs/images").glob("*.png")} - {"mistakes"})
"""Figures of the pages; the other one shows pixels, which no table has."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOWN)
def test_a_figure_of_the_pages_is_what_its_table_says(name, tmp_path):
    """To a rounding: letters differ by a shade from one processor to another."""
    module("figures").main([name], tmp_path)
    drawn, shown = (
        np.asarray(Image.open(folder / f"{name}.png").convert("RGB"), float)
        for folder in (tmp_path, ROOT / "docs/images")
    )
    assert drawn.shape == shown.shape, f"run: python docs/site/figures.py {name}"
    assert (abs(drawn - shown).max(2) > 60).sum() < 50, f"run: python docs/site/figures.py {name}"
