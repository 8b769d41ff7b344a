"""Lets tests import `tests.*` however pytest was started, and keeps them fast on a busy machine."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# The tests' networks are so small that threads only wait for each other; tests of lane threads ask for them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["tests.workflow.fixtures"]
"""One warm process and one finished run for all tests of commands."""
