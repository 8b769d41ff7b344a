"""docs/faults.md names tests that are there, and every file of tests of faults is named."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.findall(r"`(test_\w+\.py)`", (ROOT / "docs/faults.md").read_text())


def test_every_fault_has_a_test_and_every_test_is_named():
    here = {file.name for file in (ROOT / "tests/faults").glob("test_*.py")}
    assert set(NAMED) >= here - {"test_faults_docs.py"}
    assert set(NAMED) <= {file.name for file in (ROOT / "tests").glob("*/test_*.py")}
