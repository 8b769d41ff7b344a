"""The captions of the report: they render, are valid reStructuredText, and say the numbers of the config."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils.core import publish_parts
from jinja2 import Environment, StrictUndefined

from subtuning.config import Config

CAPTIONS = sorted((Path(__file__).parents[2] / "workflow" / "report").glob("*.rst"))
ENTRIES = {"tasks": {"digits": {"source": "builtin"}}, "backbones": {"net_x": {"model": "resnet18"}}}


def render(path, **sections):
    """The caption's text as Snakemake renders it, with the config's `sections`."""
    snakemake = SimpleNamespace(
        wildcards=SimpleNamespace(task="digits", backbone="net_x"), config=ENTRIES | sections, params=SimpleNamespace()
    )
    # Snakemake's own settings, but an unknown name is an error instead of nothing.
    environment = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    return environment.from_string(path.read_text(encoding="utf-8")).render(
        snakemake=snakemake, categories={}, files=[]
    )


def caption(name):
    return next(path for path in CAPTIONS if path.stem == name)


def test_every_caption_is_there():
    names = {path.stem for path in CAPTIONS}
    assert names == {"workflow", "profile", "profile_test", "greedy", "evaluation", "tradeoff", "summary"}


@pytest.mark.parametrize("path", CAPTIONS, ids=lambda path: path.stem)
def test_caption_is_valid(path):
    text = render(path)
    html = publish_parts(text, writer="html", settings_overrides={"halt_level": 2, "report_level": 2})["body"]
    assert "{{" not in html
    assert "system-message" not in html
    assert "digits" in html or path.stem == "summary"


@pytest.mark.parametrize("path", CAPTIONS, ids=lambda path: path.stem)
def test_caption_knows_the_defaults_of_the_config(path):
    config = Config(**ENTRIES).model_dump()
    full = {section: config[section] for section in ("profile", "greedy", "evaluate")}
    assert render(path) == render(path, **full)


@pytest.mark.parametrize("path", [path for path in CAPTIONS if path.stem != "workflow"], ids=lambda path: path.stem)
def test_caption_says_split_n_and_interval(path):
    text = render(path)
    assert "*Split*:" in text
    assert "n = " in text
    assert "interval" in text
    assert ("Nadeau and Bengio" in text) == (path.stem in {"profile", "greedy", "summary"})


def test_captions_follow_the_config():
    assert "n = 7 held-out folds" in render(caption("profile"), profile={"folds": 7})
    assert "n = 3 seeds" in render(caption("profile_test"), profile={"test_seeds": 3})
    greedy = render(caption("greedy"), greedy={"folds": 4, "epsilon": 0.01, "max_rounds": 9, "start": "best"})
    assert "n = 4 held-out" in greedy
    assert "for 9 rounds" in greedy
    assert "epsilon = 0.01 and the end of the search" in greedy
    assert "one standard error" in render(caption("greedy"), greedy={"stop": "one_se"})
    assert "the end of the search" not in render(caption("greedy"), greedy={"stop": "epsilon"})
    assert "each the mean of 3 runs" in render(caption("profile"), search={"seeds": 3})
    assert "by removing" in greedy
    assert "n = 6 seeds p cannot be smaller than\n2 / 2\\ :sup:`6` = 0.031;" in render(
        caption("evaluation"), evaluate={"seeds": 6}
    )
