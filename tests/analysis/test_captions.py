"""The captions of the report: they render, are valid reStructuredText, and say what its numbers are."""

from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from docutils.core import publish_parts
from jinja2 import Environment, StrictUndefined

CAPTIONS = sorted((Path(__file__).parents[2] / "workflow" / "report").glob("*.rst"))
ENTRIES = {"tasks": {"digits": {"source": "builtin"}}, "backbones": {"net_x": {"model": "resnet18"}}}


class Category(NamedTuple):
    """As Snakemake's."""

    name: str


def render(path, answers=()):
    """The caption's text as Snakemake renders it, for a report that holds these answers and a figure."""
    snakemake = SimpleNamespace(
        wildcards=SimpleNamespace(task="digits", backbone="net_x"), config=ENTRIES, params=SimpleNamespace()
    )
    # Snakemake's own settings, but an unknown name is an error instead of nothing.
    environment = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    figures = [SimpleNamespace(path=Path("a.svg"))]
    found = [SimpleNamespace(path=path) for path in answers]
    categories = {Category("Profile"): {"": figures}} | ({Category("Answer"): {"": found}} if found else {})
    return environment.from_string(path.read_text(encoding="utf-8")).render(
        snakemake=snakemake, categories=categories, files=figures
    )


def caption(name):
    return next(path for path in CAPTIONS if path.stem == name)


def test_every_caption_is_there():
    names = {path.stem for path in CAPTIONS}
    assert names == {"workflow", "profile", "profile_test", "greedy", "evaluation", "tradeoff", "summary"} | {
        *("answer", "errors", "depths", "heat", "ranks")
    }


@pytest.mark.parametrize("path", CAPTIONS, ids=lambda path: path.stem)
def test_caption_is_valid(path):
    text = render(path)
    html = publish_parts(text, writer="html", settings_overrides={"halt_level": 2, "report_level": 2})["body"]
    assert "{{" not in html
    assert "system-message" not in html
    assert "digits" in html or path.stem in {"summary", "depths", "ranks", "heat"}


@pytest.mark.parametrize("path", [path for path in CAPTIONS if path.stem != "workflow"], ids=lambda path: path.stem)
def test_caption_says_split_n_and_interval(path):
    text = render(path)
    assert "*Split*:" in text
    assert "n = " in text
    assert "interval" in text
    assert "snakemake.config" not in path.read_text(), "the config may have changed since a table was made"
    assert ("Nadeau and Bengio" in text) == (path.stem in {"profile", "greedy", "depths", "heat"})


def test_the_report_opens_with_the_answers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pages = [Path(f"results/digits/net_{number}/answer.html") for number in range(5)]
    for page in pages:
        page.parent.mkdir(parents=True)
        page.write_text(f"<article>{page.parent.name} it is</article>")
    for count, is_open in ((1, True), (5, False)):
        text = render(caption("workflow"), answers=pages[:count])
        html = publish_parts(text, writer="html", settings_overrides={"halt_level": 2})["body"]
        assert html.count("it is</article>") == count
        assert ("<details open>" in html) == is_open
        assert html.index("net_0 it is") < html.index("This report compares")
