"""No test is left out in silence: what pytest says at its end, with and without worker processes."""

import os
import subprocess
import sys

import pytest

from tests.workflow.snake import ROOT

pytestmark = pytest.mark.slow

CONFTEST = """\
from tests.left_out import leave_out

def pytest_collection_modifyitems(config, items):
    leave_out(config, items, "needs", "it is not here")
"""

TESTS = """\
import pytest

@pytest.mark.needs
@pytest.mark.parametrize("size", [1, 2])
def test_with_it(size): pass

def test_that_skips(): pytest.skip("not today")

@pytest.mark.slow
def test_long(): pass

def test_short(): pass
"""

NAMED = """\
it is not here:
    test_toy.py::test_with_it[1]
    test_toy.py::test_with_it[2]
not today:
    test_toy.py::test_that_skips
"""


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_every_test_that_did_not_run_is_named(workers, tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    needs\n    slow\n")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_toy.py").write_text(TESTS)
    words = [sys.executable, "-m", "pytest", workers, "-q", "-p", "no:cacheprovider", "-p", "tests.left_out"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")} | {"PYTHONPATH": str(ROOT)}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"], words[4:4] = "1", ["-p", "xdist.plugin"]  # twice as quick
    done = subprocess.run(
        [*words, "-m", "not slow"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _, title, named = done.stdout.partition("3 tests did not run")
    assert title, done.stdout
    assert NAMED in named
    assert "\n1 tests left out by -m 'not slow'\n" in named
