"""The licence of every locked package is known, and one that this project can live with (licences.yaml)."""

import re
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.utils import canonicalize_name

from tests.project.test_dependencies import LOCK, locked

RULES = yaml.safe_load((Path(__file__).parent / "licences.yaml").read_text())


def licences(package: metadata.Distribution) -> list[str]:
    """What a package says of its licence: an SPDX expression, else classifiers, else a word, else its file's title."""
    said = package.metadata
    if expression := said.get("License-Expression"):
        return re.split(r" (?:AND|OR) ", expression.replace("(", "").replace(")", ""))
    classified = [text.rpartition(" :: ")[2] for text in said.get_all("Classifier") or [] if "License ::" in text]
    word = (said.get("License") or "").strip()
    if classified or (word and word != "UNKNOWN" and "\n" not in word):
        return classified or re.split(r" (?:AND|OR) ", word)
    titles = [re.search(r"MIT License|Apache License", file.read_text()) for file in files(package)]
    return [{"MIT License": "MIT", "Apache License": "Apache-2.0"}[title[0]] for title in titles if title]


def files(package: metadata.Distribution) -> list[metadata.PackagePath]:
    return [file for file in package.files or [] if re.fullmatch(r"LICEN[CS]E(\.\w+)?", file.name)]


def trouble(name: str) -> str | None:
    """What is wrong with the licence of an installed package."""
    if any(fnmatch(name, pattern) for pattern in RULES["others"]):
        return None
    found = [RULES["words"].get(word, word) for word in licences(metadata.distribution(name))]
    wrong = [word for word in found if word not in RULES["allowed"]]
    return f"{name}: {', '.join(wrong) or 'no licence is named'}" if wrong or not found else None


def installed() -> list[str]:
    """Locked packages that are installed here; some are for other platforms alone."""
    names = {canonicalize_name(package.metadata["Name"]) for package in metadata.distributions()}
    return [name for name in locked() if name in names]


def test_every_locked_package_has_a_licence_that_is_allowed():
    names = installed()
    assert len(names) > 100
    assert not [words for name in names if (words := trouble(name))], "read it, then add it to licences.yaml"


def test_no_exception_is_left_over():
    names = re.findall(r"^([a-z0-9.-]+)==", LOCK, re.MULTILINE)
    assert all(any(fnmatch(name, pattern) for name in names) for pattern in RULES["others"])


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("License-Expression: MIT AND (Zlib OR ISC)", ""),
        ("License-Expression: MIT AND AGPL-3.0-only", "AGPL-3.0-only"),
        ("Classifier: License :: OSI Approved :: BSD License", ""),
        ("License: Apache-2.0", ""),
        ("License: mine alone", "mine alone"),
        ("Summary: none", "no licence is named"),
    ],
)
def test_what_packages_say_is_understood(words, wrong, tmp_path, monkeypatch):
    folder = tmp_path / "made_up-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: made-up\nVersion: 1\n{words}\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert (trouble("made-up") or "").removeprefix("made-up: ") == wrong
