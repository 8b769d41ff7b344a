"""Lets tests import `tests.tasks.*` however pytest was started, and makes the raw VTAB files once."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


@pytest.fixture(scope="session")
def vtab_raw(tmp_path_factory):
    """The folder of all made-up raw files (do not change them), and what is in them."""
    from tests.tasks import synthetic

    folder = tmp_path_factory.mktemp("vtab") / "data"
    return folder, synthetic.make(folder)
