"""What stands in blocks on the pages besides commands: configs that are right, a manifest whose command Snakemake
understands, and Python that names what is there."""

import ast
import re
from importlib import import_module

import pytest
import yaml

from subtuning.config.load import parse_config
from tests.project.pages import PAGES, ROOT

WHOLE = {
    "tasks": {"digits": {"source": "builtin", "name": "digits"}},
    "backbones": {"resnet50": {"model": "resnet50.tv2_in1k"}},
}
"""What a block leaves out that shows a part of a config."""

SECTIONS = {"search", "tune", "profile", "greedy", "evaluate", "recipe", "deliver", "experiments"}


def blocks(language: str) -> list[tuple[str, str]]:
    """(page, block) of every block of a language."""
    fences = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [(page, block) for page in PAGES for block in fences.findall((ROOT / page).read_text(encoding="utf-8"))]


CONFIGS = [block for block in blocks("yaml") if "apiVersion" not in block[1]]
MANIFESTS = [block for block in blocks("yaml") if "apiVersion" in block[1]]


@pytest.mark.parametrize(("page", "block"), CONFIGS, ids=[page for page, _ in CONFIGS])
def test_a_config_is_right(page, block):
    given = yaml.safe_load(block)
    assert parse_config(WHOLE | given).model_dump(exclude_unset=True).keys() >= given.keys()


def test_spans_of_configs_are_right():
    """`{source: ..., ...}` and the like in running text and tables, where they are a whole section."""
    found = 0
    for page in PAGES:
        text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for span in re.findall(r"`(\w+: \{[^`]+\})`", text):
            section, given = next(iter(yaml.safe_load(span).items()))
            if section in SECTIONS and ".." not in span:
                parse_config(WHOLE | {section: given})
                found += 1
    assert found >= 3


@pytest.mark.parametrize("page", ["CHANGELOG.md", *PAGES])
def test_a_list_after_a_block_begins_after_an_empty_line(page):
    """Else the site shows it as running text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    after = re.findall(r"^ *```[^\n]*\n.*?^ *```\n(.*?)$", text, re.MULTILINE | re.DOTALL)
    assert after or "```" not in text
    assert not [line for line in after if re.match(r" *([-*]|\d+\.) ", line)]


@pytest.mark.parametrize(("page", "block"), MANIFESTS, ids=[page for page, _ in MANIFESTS])
def test_snakemake_understands_what_a_manifest_starts(page, block):
    from snakemake.cli import parse_args

    (container,) = yaml.safe_load(block)["spec"]["template"]["spec"]["containers"]
    assert container["args"][0] == "snakemake"
    _, args = parse_args(container["args"][1:])
    assert (args.rerun_incomplete, [str(path) for path in args.configfile]) == (True, ["my.yaml"])
    workdir = re.search(
        r"^WORKDIR (\S+)\n*(?!.*^WORKDIR)", (ROOT / "Containerfile").read_text(), re.MULTILINE | re.DOTALL
    )
    assert workdir
    assert workdir[1] == container["volumeMounts"][0]["mountPath"]


PYTHON = [block for block in blocks("python") if not block[1].startswith("module ")]
"""Without that of Snakemake's own words, which test_ecosystem.py uses."""


@pytest.mark.parametrize(("page", "block"), PYTHON, ids=[page for page, _ in PYTHON])
def test_python_names_what_is_there(page, block):
    """Modules that it imports, and what it takes from them."""
    tree = ast.parse(block)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert all(hasattr(import_module(node.module), alias.name) for alias in node.names)
    names = [alias for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    for alias in names:
        for path in set(re.findall(rf"(?<![\w.\"']){alias.asname or alias.name}((?:\.\w+)+)", block)):
            found = import_module(alias.name)
            for part in path[1:].split("."):
                found = getattr(found, part, None) or import_module(f"{found.__name__}.{part}")
