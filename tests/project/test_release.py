"""A release: the sdist has what the wheel is made of, and the wheel, installed alone, runs the workflow."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.workflow.snake import CONFIG, LAYERS, ROOT, counts, write_arrays, write_config

pytestmark = pytest.mark.slow
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHON = str(Path(sysconfig.get_config_var("BINDIR")) / f"python{sysconfig.get_python_version()}")
"""The Python that the environment was made with: it has pip, as README.md asks for."""


def tracked() -> list[str]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in names.split("\0") if name and (ROOT / name).is_file()]


def built(kind: str, source: Path, to: Path) -> Path:
    """An sdist or a wheel, made by the build backend without fetching anything."""
    to.mkdir(exist_ok=True)
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(to)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    (made,) = to.glob("*.tar.gz" if kind == "sdist" else "*.whl")
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The sdist, made from the tracked files, and the wheel, made from the sdist alone."""
    folder = tmp_path_factory.mktemp("release")
    for name in tracked():
        (folder / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / "clone" / name)
    sdist = built("sdist", folder / "clone", folder / "dist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    return sdist, built("wheel", source, folder / "wheel")


@pytest.fixture(scope="module")
def environment(made, tmp_path_factory):
    """A new environment with the wheel, and with this one's packages but not this checkout."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", venv], check=True, capture_output=True)
    words = [PYTHON, "-m", "pip", "--python", venv, "install", "--quiet", "--no-deps", "--no-index", made[1]]
    subprocess.run(words, check=True, capture_output=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv


def call(environment: Path, folder: Path, *words: object) -> str:
    """What a program of the environment prints; nothing leads it to this checkout."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SNAKEMAKE", "PYTEST", "VIRTUAL_ENV"))}
    python = environment / "bin/python"
    done = subprocess.run(
        [python, *map(str, words)], cwd=folder, env=kept, stdout=-1, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_wheel_has_the_package_and_the_workflow_and_nothing_else(made):
    sdist, wheel = made
    version = PROJECT["version"]
    assert (sdist.name, wheel.name) == (f"subtuning-{version}.tar.gz", f"subtuning-{version}-py3-none-any.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    share = f"subtuning-{version}.data/data/share/subtuning/"
    shown = {name.removeprefix(share) for name in names if name.startswith(share)}
    folders = ("config/", "profiles/", "rules/", "workflow/report/")
    wanted = {name for name in tracked() if name.startswith(folders)} | {"Snakefile", "workflow/Snakefile"}
    assert shown == wanted | {"environment.yml"}
    package = {name for name in tracked() if name.startswith("subtuning/")}
    assert {name for name in names if name.startswith("subtuning/")} == package
    assert all(re.match(rf"subtuning(/|-{re.escape(version)}\.)", name) for name in names)


def test_the_wheel_runs_the_workflow(environment, tmp_path):
    """The default job is planned whole; a smaller one is run to its answer and its model."""
    share = environment / "share/subtuning"
    snakemake = ["-m", "snakemake", "--cores", "1", "--snakefile", share / "Snakefile"]
    where = call(environment, tmp_path, "-c", "import subtuning; print(subtuning.__file__)")
    assert Path(where.strip()).is_relative_to(environment)
    planned = counts(call(environment, tmp_path, *snakemake, "--configfile", share / "config/config.yaml", "--dry-run"))
    assert planned["train_profile"] == 1
    assert planned["all"] == 1

    write_config(tmp_path, CONFIG)
    write_arrays(tmp_path / "cells.npz")
    call(environment, tmp_path, *snakemake, "results/tasks/cells/task.json", "results/backbones/tiny/layers.json")
    assert (tmp_path / "results/tasks/cells/train/images.npy").is_file()
    assert "blocks.5" in (tmp_path / "results/backbones/tiny/layers.json").read_text()
    assert "22 missing" in call(environment, tmp_path, "-m", "subtuning", "status")
    call(environment, tmp_path, *snakemake)
    profile = (tmp_path / "results/cells/tiny/profile.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in profile] == ["layer", *LAYERS, "linear", "full"]
    assert (tmp_path / "results/cells/tiny/answer.md").read_text().count("\n") > 5
    assert (tmp_path / "results/cells/tiny/model/model.safetensors").is_file()


def test_a_release_is_prepared_by_one_command(tmp_path):
    """Every place gets the version; what was unreleased stands, as it was, in a section of its own with a date."""
    for name in (".ci/release", "pyproject.toml", "subtuning/__init__.py", "CITATION.cff", "CHANGELOG.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "docs").mkdir()
    for name in ("docs/ecosystem.md", "docs/install.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    before = (tmp_path / "CHANGELOG.md").read_text()
    kept = os.environ | {"SUBTUNING_TOOLS": "none"}
    done = subprocess.run(["bash", ".ci/release", "99.1.0"], cwd=tmp_path, env=kept, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in ("pyproject.toml", "subtuning/__init__.py", "CITATION.cff", "docs/ecosystem.md"):
        assert (tmp_path / name).read_text().count("99.1.0") == 1, name
    assert (tmp_path / "docs/install.md").read_text().count("99.1.0") == 2, "the wheel's name and the tag"
    text = (tmp_path / "CHANGELOG.md").read_text()
    section = re.search(r"\n## \[99\.1\.0\] - \d{4}-\d\d-\d\d\n", text)[0]
    assert text.replace(f"\n{section}", "\n", 1).split() == before.split()
    again = subprocess.run(["bash", ".ci/release", "99.1.0"], cwd=tmp_path, env=kept, capture_output=True, text=True)
    assert (again.returncode, again.stderr) == (2, "release: CHANGELOG.md has 99.1.0 already\n")
