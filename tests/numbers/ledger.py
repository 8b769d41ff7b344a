"""Which files can change a run's number, and what was in them when it was last said that they do not, or do."""

import json
from pathlib import Path

from subtuning.runs.numbers import latest_numbers
from subtuning.runs.versions import PACKAGE, statements_hash

FILE = Path(__file__).with_name("ledger.json")

NUMERICAL = ("backbones/*.py", "tuning/**/*.py", "training/**/*.py")
NUMERICAL += ("tasks/splits.py", "tasks/stratify.py", "tasks/task.py", "config/recipe.py")
"""What turns a converted task, weights and a recipe into numbers; how images are converted is in the task's hash."""

HARMLESS = {
    "backbones/hub.py": "weights are identified by their hash",
    "backbones/onnx_file.py": "weights are identified by their hash",
    "backbones/package_names.py": "weights are identified by their hash",
    "backbones/packages.py": "weights are identified by their hash",
    "training/checkpoints.py": "a resumed run equals an uninterrupted one, which tests hold",
    "training/interrupt.py": "the same",
    "training/lease.py": "chooses a GPU",
    "training/outcome.py": "writes what was trained",
    "training/scalars.py": "writes curves for TensorBoard",
    "training/stopwatch.py": "measures time",
}
"""Files of these rooms that change no number, and why."""


def compute() -> dict[str, str]:
    """File -> hash of its statements; comments, docstrings and layout do not count."""
    files = sorted(file for pattern in NUMERICAL for file in PACKAGE.glob(pattern))
    names = {file.relative_to(PACKAGE).as_posix(): file for file in files if file.stat().st_size}
    return {name: statements_hash([file], PACKAGE) for name, file in names.items() if name not in HARMLESS}


def read() -> dict[str, str]:
    """The committed ledger."""
    return json.loads(FILE.read_text())["files"]


def write() -> None:
    """Say that what the files now compute has the latest version of the numbers."""
    FILE.write_text(json.dumps({"numbers": latest_numbers(), "files": compute()}, indent=1) + "\n")
