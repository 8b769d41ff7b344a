"""Tables as pages: sortable, every column explained, and nothing from a table becomes code."""

import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from subtuning.analysis.pages.columns import EXPLAINED
from subtuning.analysis.pages.table import table_page
from subtuning.analysis.paper import HEADINGS
from subtuning.analysis.tables import evaluation, greedy, profile


class Page(HTMLParser):
    """The tags that are open at the end, the cells' values and the headings."""

    def __init__(self, text):
        super().__init__()
        self.open, self.values, self.numeric, self.tags = [], [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        given = dict(attributes)
        if tag == "td":
            self.values.append(given["data-value"])
        if tag == "th":
            self.numeric.append(given.get("class") != "text")
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("columns", [evaluation.COLUMNS, greedy.COLUMNS, profile.COLUMNS, HEADINGS])
def test_every_column_is_explained(columns):
    assert set(columns) <= EXPLAINED.keys()


def test_a_page_sorts_by_numbers_and_shows_percent():
    table = pd.DataFrame({"layer": ["a", "b"], "mean": [0.5, float("nan")], "parameters": [1_200_000, 3], "kept": True})
    text = table_page(table, "A title", ["a note"])
    page = Page(text)
    assert page.open == []
    assert page.values == ["a", "0.5", "1.2e+06", "True", "b", "", "3", "True"]
    assert page.numeric == [False, True, True, False]
    assert ">50.00<" in text
    assert ">1,200,000<" in text
    assert "mean (%)" in text
    assert "<p>a note.</p>" in text
    assert text.isascii()


def test_texts_that_begin_with_a_number_are_sorted_by_it():
    column = ["**+0.7 ± 1.3**", "-7.4 ± 2.0", "diverged", ""]
    page = Page(table_page(pd.DataFrame({"digits": column, "layers": ["blocks.4.1", "full", "1", "2"]}), "T"))
    assert page.values[::2] == ["0.7", "-7.4", "", ""]
    assert page.numeric == [True, False]


def test_a_column_that_nobody_explains_is_shown_all_the_same():
    text = table_page(pd.DataFrame({"method": ["full"], "tuned_lr": [0.001]}), "T")
    assert ">tuned_lr<" in text
    assert "<dt>tuned_lr" not in text


def test_names_are_no_code():
    text = table_page(pd.DataFrame({"method": ['<script>alert("1")</script>']}), "<b>")
    assert len(re.findall("<script>", text)) == 1, "the page's own"
    assert Page(text).open == []
    assert Page(text).tags & {"b"} == set()
