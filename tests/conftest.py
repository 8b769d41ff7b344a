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


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What starts commands of the workflow is slow. Tests on a SLURM cluster begin first, as they wait most of their
    time, then files with slow tests, so that no long file is begun last."""
    from tests.left_out import leave_out_without_packages

    leave_out_without_packages(config, items)
    for item in items:
        if "warm_environment" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.get_closest_marker("slurm") is None, item.path not in slow_files))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two for each core, up to eight, as many slow tests wait for processes; without them one, as each imports."""
    cores = os.cpu_count() or 1
    return min(8, cores if "not slow" in config.option.markexpr else 2 * cores)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log) -> object:
    """One worker has all tests of a file, and one has all that need a SLURM cluster; the zoo's, which take minutes and
    share nothing, go to whoever is free."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith("tests/backbones/test_zoo.py"):
                return nodeid
            return "slurm" if nodeid.startswith("tests/slurm/") else nodeid.split("::")[0]

    config.option.loadscopereorder = False
    return ByFile(config, log)
