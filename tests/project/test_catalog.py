"""What Snakemake's workflow catalog reads from a repository that wants to be listed with standardized usage."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
USAGE = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]


def test_the_settings_have_the_keys_that_the_catalog_knows():
    assert USAGE.keys() == {"mandatory-flags", "software-stack-deployment", "report"}
    assert USAGE["mandatory-flags"].keys() == {"desc", "flags"}
    assert all(isinstance(text, str) for text in USAGE["mandatory-flags"].values())
    deployment = USAGE["software-stack-deployment"]
    assert deployment.keys() == {"conda", "apptainer", "apptainer+conda", "report"}
    assert all(isinstance(value, bool) for value in [*deployment.values(), USAGE["report"]])


def test_what_the_settings_promise_is_there():
    rules = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    shells = len(re.findall(r"^    shell:$", rules, re.MULTILINE))
    environments = re.findall(r'^    conda:\n        "(.*)"$', rules, re.MULTILINE)
    assert USAGE["software-stack-deployment"]["conda"] is True
    assert environments == ["../environment.yml"] * shells
    assert (ROOT / "rules" / environments[0]).resolve() == ROOT / "environment.yml"
    assert not re.search(r"^\s*container(ized)?:", rules, re.MULTILINE), "then apptainer would be true"
    assert USAGE["report"] is True
    assert "report(" in rules
    assert (ROOT / "workflow/report/workflow.rst").is_file()


def test_the_catalog_finds_and_formats_the_workflow():
    """It looks for these words and this file, and calls snakefmt on it."""
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme
    assert "workflow" in readme
    assert (ROOT / "workflow/Snakefile").is_file()
    words = [Path(sys.executable).with_name("snakefmt"), "--check", "workflow/Snakefile"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_configs_page_stands_alone():
    """The catalog shows it on a page of its own: a heading, every section, and no link that leads nowhere there."""
    text = (ROOT / "config/README.md").read_text()
    assert text.startswith("# ")
    for section in ("tasks", "backbones", "recipe", "profile", "greedy", "evaluate"):
        assert f"\n### `{section}`\n" in text
    links = re.findall(r"\]\(([^)]+)\)", text)
    headings = {heading.strip("`# \n").lower() for heading in re.findall(r"^#+ .*$", text, re.MULTILINE)}
    assert {link for link in links if not link.startswith("http")} <= {f"#{heading}" for heading in headings}
