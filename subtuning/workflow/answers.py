"""The last lines of the workflow: the answers."""

from collections.abc import Iterable
from itertools import product
from pathlib import Path

from subtuning.analysis.answer.plain import plain

SKEW = 5
"""Seconds by which the clock of a file system may be late."""


def print_answers(
    tasks: Iterable[str], backbones: Iterable[str], since: float, results: Path = Path("results")
) -> None:
    """Print the answers that were written since a time (seconds, as of `time.time`): one whole, of several the first
    sentences and where the rest is."""
    files = [results / task / backbone / "answer.md" for task, backbone in product(tasks, backbones)]
    new = [file for file in files if file.is_file() and file.stat().st_mtime >= since - SKEW]
    for file in new:
        text = plain(file.read_text(encoding="utf-8"))
        title, lead = [*text.split("\n\n"), ""][:2]
        print(f"\n{text}\n\n(from {file})" if len(new) == 1 else f"\n{title} (more in {file}):\n{lead}")
    print(end="\n" * bool(new))
