"""Where libraries keep what they fetch or compute once, on machines whose home folder cannot be written."""

import os
import tempfile
from pathlib import Path


def keep_caches_elsewhere(results: Path) -> None:
    """Let libraries use `results/.cache` unless the user's own cache folder can be written, or the user chose one.

    To be called before they are imported. torch, timm's hub and others look at `XDG_CACHE_HOME`; Matplotlib also wants
    a folder for its settings. Snakemake itself looks too early for this; profiles/ keep it out of the home folder.
    """
    if "XDG_CACHE_HOME" in os.environ or _can_be_written(os.path.expanduser("~/.cache")):  # noqa: PTH111 (never raises)
        return
    folder = (results / ".cache").absolute()
    os.environ["XDG_CACHE_HOME"] = str(folder)
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))


def _can_be_written(folder: str) -> bool:
    """Whether a file can be written in a folder, which is made if need be; permissions say nothing of a full quota."""
    if folder.startswith("~"):  # nobody knows where this user's home is
        return False
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError:
        return False
    return True
