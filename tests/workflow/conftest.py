"""Folders in which a stand-in for the command `subtuning` made every file, a checkout to edit, and the rule for
machines that have no queue."""

import os
import shutil
from importlib.util import find_spec

import pytest

from tests.left_out import leave_out
from tests.workflow.snake import ROOT, copy, new_folder, write_arrays
from tests.workflow.stand_in import STAND_IN, TWO_BY_TWO

REQUIRED = "SUBTUNING_REQUIRE_QUEUE"
"""Set this variable where task-spooler and Snakemake's plugin must be installed: tests then fail where they are not."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a queue, leave out the tests that need it; the end of pytest's output names them."""
    missing = ["task-spooler"] if shutil.which("tsp") is None else []
    if find_spec("snakemake_executor_plugin_cluster_generic") is None:
        missing.append("snakemake-executor-plugin-cluster-generic")
    if missing and not os.environ.get(REQUIRED):
        why = f"{' and '.join(missing)} not installed ({REQUIRED}=1 makes it fail instead)"
        leave_out(config, items, "queue", why)


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory, warm_environment):
    """PATH with the stand-in first."""
    folder = tmp_path_factory.mktemp("stand_in")
    (folder / "subtuning").write_text(STAND_IN)
    (folder / "subtuning").chmod(0o755)
    return {"PATH": f"{folder}:{warm_environment['PATH']}"}


@pytest.fixture(scope="module")
def made(tmp_path_factory, snakemake, stand_in):
    """A folder in which everything is made; not to be changed."""
    folder = new_folder(tmp_path_factory.mktemp("made") / "project", TWO_BY_TWO)
    write_arrays(folder / "more.npz", seed=1)
    (folder / "other.safetensors").write_text("weights")
    result = snakemake(folder, "--cores", "8", **stand_in)
    assert result.code == 0, result.output
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return copy(made, tmp_path / "copy")


@pytest.fixture
def checkout(tmp_path):
    """A copy of the project's code, to be edited."""
    for name in ("subtuning", "workflow", "rules", "profiles"):
        shutil.copytree(ROOT / name, tmp_path / "checkout" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(ROOT / name, tmp_path / "checkout")
    return tmp_path / "checkout"
