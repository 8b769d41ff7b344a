"""From raw labelled images to a converted task on disk. Importing this needs NumPy only."""

from pathlib import Path

from subtuning.tasks.splits import folds
from subtuning.tasks.task import Task, check_content, load_task

__all__ = ["Task", "check_content", "convert_task", "folds", "load_task"]


def convert_task(
    name: str, spec, out: Path, *, workers: int = 1, progress: bool = True, base: Path | None = None
) -> None:
    """See `subtuning.tasks.convert.convert_task`."""
    from subtuning.tasks.convert import convert_task as convert

    convert(name, spec, out, workers=workers, progress=progress, base=base)
