"""The cluster, the tables to compare with, and the rule for machines that have no SLURM."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.left_out import leave_out
from tests.slurm.cluster import running, what_is_missing

REQUIRED = "SUBTUNING_REQUIRE_SLURM"
"""Set this variable where SLURM must be installed: its tests then fail where it is not."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without SLURM, leave out the tests that need it; the end of pytest's output names them."""
    missing = what_is_missing()
    if missing and not os.environ.get(REQUIRED):
        leave_out(config, items, "slurm", f"{missing} ({REQUIRED}=1 makes it fail instead)")


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
