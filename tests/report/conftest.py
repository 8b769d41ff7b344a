"""A browser, the report of a small finished workflow, and the rule for machines that have no browser."""

import os
import zipfile
from pathlib import Path

import pytest

from tests.left_out import leave_out
from tests.report.browser import chromium, what_is_missing
from tests.workflow.snake import ROOT, call, changed, new_folder, write_arrays

REQUIRED = "SUBTUNING_REQUIRE_BROWSER"
"""Set this variable where Chromium must be installed: its tests then fail where it is not."""

TWO_TASKS = changed(*("tasks/more_cells", {"source": "arrays", "path": "more.npz"}), *("greedy.max_rounds", 1))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a browser, leave out the tests that need it; the end of pytest's output names them."""
    missing = what_is_missing()
    if missing and not os.environ.get(REQUIRED):
        leave_out(config, items, "browser", f"{missing} ({REQUIRED}=1 makes it fail instead)")


@pytest.fixture(scope="session")
def report(tmp_path_factory, snakemake, warm_environment) -> Path:
    """The page of the report of two tasks, unpacked."""
    folder = new_folder(tmp_path_factory.mktemp("report") / "project", TWO_TASKS)
    write_arrays(folder / "more.npz", seed=1)
    made = snakemake(folder)
    assert made.code == 0, made.output
    words = ["warm-snakemake", "--snakefile", str(ROOT / "Snakefile"), "--report", "report.zip"]
    made = call(words, folder, warm_environment)
    assert made.code == 0, made.output
    with zipfile.ZipFile(folder / "report.zip") as archive:
        archive.extractall(folder / "unpacked")
    return next((folder / "unpacked").rglob("report.html"))


@pytest.fixture
def page(tmp_path_factory):
    """An empty page of a new browser."""
    if missing := what_is_missing():
        pytest.fail(f"{missing}; or deselect with -m 'not browser'", pytrace=False)
    with chromium(tmp_path_factory.mktemp("browser")) as page:
        yield page
