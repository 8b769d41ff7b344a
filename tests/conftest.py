"""Lets tests import `tests.*` however pytest was started, and keeps them fast on a busy machine."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# The tests' networks are so small that threads only wait for each other; tests of lane threads ask for them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["tests.workflow.fixtures", "tests.left_out"]
"""One warm process and one finished run for all tests of commands; the names of tests that did not run."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on a SLURM cluster begin first: they wait most of their time."""
    items.sort(key=lambda item: item.get_closest_marker("slurm") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two for each core, since many tests wait for other processes, up to eight."""
    return min(8, 2 * (os.cpu_count() or 1))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log) -> object:
    """One worker has all tests of a file, and one has all that need a SLURM cluster."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "slurm" if nodeid.startswith("tests/slurm/") else nodeid.split("::")[0]

    config.option.loadscopereorder = False
    return ByFile(config, log)
