"""The cluster, the tables to compare with, and the rule for machines that have no SLURM."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.slurm.cluster import running, what_is_missing

REQUIRED = "SUBTUNING_REQUIRE_SLURM"
"""Set this variable where SLURM must be installed: its tests then fail where it is not."""

_deselected: list[pytest.Item] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without SLURM, leave out the tests that need it; `pytest_report_collectionfinish` says so."""
    if os.environ.get(REQUIRED) or not what_is_missing():
        return
    _deselected[:] = [item for item in items if item.get_closest_marker("slurm")]
    config.hook.pytest_deselected(items=_deselected)
    items[:] = [item for item in items if item not in _deselected]


def pytest_report_collectionfinish() -> str | list[str]:
    """The line about tests that were left out."""
    if not _deselected:
        return []
    return f"{len(_deselected)} tests deselected: {what_is_missing()} ({REQUIRED}=1 makes them fail instead)"


@pytest.fixture(scope="session")
def cluster():
    """A running SLURM of two nodes; fails where SLURM is not installed."""
    if missing := what_is_missing():
        pytest.fail(f"{missing}; or deselect with -m 'not slurm'", pytrace=False)
    with tempfile.TemporaryDirectory(prefix="slurm") as folder, running(Path(folder)) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def here(finished):
    """A folder in which `--cores` made everything once; not to be changed."""
    return finished[0]
