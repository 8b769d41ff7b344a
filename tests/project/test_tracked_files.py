"""What must not be in the repository, and the files that every project of this kind has."""

import hashlib
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Put together here, so that this file does not hold what it looks for.
HOSTS = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "conda." + "anaconda.org",
    "repo." + "anaconda.com",
    "npmjs" + ".com",
]
LEAKS = {
    "registry host": re.compile("|".join(re.escape(host) for host in HOSTS)),
    "package index": re.compile(
        r"(--|\b)(extra-|default-)?index[-_]url\b|/simp" + "le/|--find-" + "links|PIP_IND" + "EX"
    ),
    "machine path": re.compile(
        r"(?<![\w.$}/])/(root|home/\w+|Users/\w+|work|mnt|workspace|content|scratch)/[\w.]|\b[A-Z]:\\Users"
    ),
    "credential": re.compile(r"(hf|ghp|gho|github_pat)_[A-Za-z0-9]{20}|AKIA[0-9A-Z]{16}|BEGIN [A-Z ]*PRIVATE KEY"),
}


def tracked() -> list[Path]:
    """The files that git has."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="replace")


@pytest.mark.parametrize("leak", LEAKS)
def test_no_tracked_file_leaks(leak):
    found = []
    for path in tracked():
        for number, line in enumerate(text_of(path).splitlines(), 1):
            if LEAKS[leak].search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not found


@pytest.mark.parametrize(
    ("leak", "line"),
    [
        ("registry host", "see https://pypi" + ".org/project/timm"),
        ("package index", "pip install --index" + "-url x"),
        ("package index", "https://example.org/simp" + "le/timm"),
        ("machine path", "cd /" + "root/project"),
        ("machine path", 'open("/ho' + 'me/me/data")'),
        ("machine path", r"C:\Us" + r"ers\me"),
        ("credential", "token = hf_" + "a" * 34),
    ],
)
def test_the_patterns_find_leaks(leak, line):
    assert LEAKS[leak].search(line)


@pytest.mark.parametrize(
    "line", ["results/work/x", "tests/home/data", "https://example.org/home/me/x", "$HOME/x", "~/x"]
)
def test_the_patterns_leave_other_paths_alone(line):
    assert not LEAKS["machine path"].search(line)


def test_nothing_that_a_run_makes_is_tracked():
    names = [path.relative_to(ROOT).as_posix() for path in tracked()]
    made = [name for name in names if name.startswith(("results/", ".snakemake/", ".venv/", "data/"))]
    assert made == ["results/README.md"]
    assert not [
        name for name in names if name.endswith((".npy", ".npz", ".pth", ".pt", ".safetensors", ".pyc", ".ckpt"))
    ]


def test_tracked_files_are_small():
    large = {path.name: path.stat().st_size for path in tracked() if path.stat().st_size > 1_000_000}
    assert not large


def test_the_licence_is_the_whole_apache_2_0():
    words = " ".join(text_of(ROOT / "LICENSE").split())
    assert words.startswith("Apache License Version 2.0, January 2004")
    assert (
        hashlib.sha256(words.encode()).hexdigest() == "0ffddef9e48f8a09aed5caf2d44f7ba1c1be2d9b8e0a6f693b1635b2d5566645"
    )
    assert PROJECT["license"] == "Apache-2.0"


def test_the_citation_names_this_version_and_the_paper():
    citation = yaml.safe_load(text_of(ROOT / "CITATION.cff"))
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    paper = citation["references"][0]
    assert paper["url"].endswith("/2302.06354")
    names = [author["family-names"] for author in paper["authors"]]
    assert names == ["Kaplun", "Gurevich", "Swisa", "David", "Shalev-Shwartz", "Malach"]


def test_the_changelog_has_this_version_or_says_that_it_is_not_out():
    headings = re.findall(r"^## \[(.+?)\]", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert headings[0] in {"Unreleased", PROJECT["version"]}
    assert re.search(r"^### Config\n\n- \d{4}-\d\d-\d\d: ", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)


def test_what_the_workflow_catalog_asks_for():
    usage = yaml.safe_load(text_of(ROOT / ".snakemake-workflow-catalog.yml"))["usage"]
    assert usage["software-stack-deployment"]["conda"] is True
    assert usage["report"] is True
    for name in ("workflow/Snakefile", "config/README.md"):
        assert (ROOT / name).is_file(), name


def test_data_files_that_are_written_by_hand_can_be_read():
    for path in tracked():
        if path.suffix in {".yaml", ".yml", ".cff"}:
            yaml.safe_load(text_of(path))
        elif path.suffix == ".json":
            json.loads(text_of(path))
        elif path.suffix == ".toml":
            tomllib.loads(text_of(path))
