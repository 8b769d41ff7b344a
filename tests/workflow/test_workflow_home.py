"""A home folder that cannot be written, as in containers, in jobs of a service and with a full quota."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from subtuning.workspace.caches import keep_caches_elsewhere
from tests.workflow.snake import ROOT, call, copy, new_folder, real_environment

NOWHERE = "/dev/null/home"
"""Not even root can make this folder."""

FIGURES = ["figures", "--task", "cells", "--backbone", "tiny", "--layers", "results/backbones/tiny/layers.json"]
FIGURES += ["--profile-test", "results/cells/tiny/profile.csv", "--out", "drawn"]


def homeless(environment: dict[str, str]) -> dict[str, str]:
    chosen = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR")
    return {key: value for key, value in environment.items() if key not in chosen} | {"HOME": NOWHERE}


@pytest.mark.parametrize("profile", ["default", "slurm"])
def test_snakemake_needs_no_home(profile, tmp_path, warm_environment):
    words = ["warm-snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2", "--dry-run"]
    words += ["--workflow-profile", str(ROOT / "profiles" / profile)]
    result = call(words, new_folder(tmp_path), homeless(warm_environment))
    assert result.code == 0, result.output
    assert "Traceback" not in result.output


def test_figures_need_no_home(finished, tmp_path):
    folder = copy(finished[0], tmp_path / "project")
    result = call([sys.executable, "-m", "subtuning", *FIGURES], folder, homeless(real_environment()))
    assert result.code == 0, result.output
    assert result.output == "", "Matplotlib would complain here"
    assert (folder / "results/.cache/matplotlib").is_dir()


def test_a_home_that_works_and_a_choice_of_the_users_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    keep_caches_elsewhere(tmp_path / "results")
    assert "XDG_CACHE_HOME" not in os.environ
    assert list((tmp_path / ".cache").iterdir()) == []
    monkeypatch.setenv("HOME", NOWHERE)
    monkeypatch.setenv("XDG_CACHE_HOME", "mine")
    keep_caches_elsewhere(tmp_path / "results")
    assert os.environ["XDG_CACHE_HOME"] == "mine"


@pytest.mark.parametrize("home", [NOWHERE, "~", "~nobody-knows"])
def test_caches_go_to_the_results(home, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", home)
    for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, "restored after the test")
        monkeypatch.delenv(name)
    keep_caches_elsewhere(tmp_path / "results")
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / "results/.cache")
    assert Path(os.environ["MPLCONFIGDIR"]).is_relative_to(tmp_path / "results")


UV = """\
#!/bin/sh
mkdir -p "{venv}/bin"
echo "${{UV_CACHE_DIR-the home folder}}" > "{venv}/cache"
"""


@pytest.mark.parametrize("home", [NOWHERE, "works"])
def test_setup_needs_no_home(home, tmp_path):
    """With a uv that only notes where it would keep downloads."""
    checkout, venv = tmp_path / "checkout", tmp_path / "venv"
    (checkout / "workflow").mkdir(parents=True)
    for name in ("workflow/setup", "requirements.lock"):
        (checkout / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "uv").write_text(UV.format(venv=venv))
    (tmp_path / "uv").chmod(0o755)
    home = str(tmp_path) if home == "works" else home
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = homeless(dict(os.environ)) | {"HOME": home, "PATH": path, "SUBTUNING_VENV": str(venv)}
    done = subprocess.run(["sh", "workflow/setup"], cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    wanted = "the home folder" if home == str(tmp_path) else str(checkout / ".uv/cache")
    assert (venv / "cache").read_text().strip() == wanted
