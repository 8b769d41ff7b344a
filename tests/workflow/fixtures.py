"""Commands that start at once, and one finished run for many tests."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.workflow import warm
from tests.workflow.snake import CONFIG, ROOT, SNAKEMAKE, Result, Snakemake, call, new_folder, real_environment

WORKER = "PYTEST_XDIST_WORKER"
"""Set in a worker process, whose parent is pytest itself."""


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """`made_once(name, make)`: a folder that the first worker to ask for it fills by `make(folder)`, and all share.

    Nobody may change it. If `make` fails, the next one to ask tries again.
    """
    base = tmp_path_factory.getbasetemp()
    base = base.parent if WORKER in os.environ else base

    def make_or_wait(name: str, make: Callable[[Path], None]) -> Path:
        folder, done = base / name, base / f"{name}.done"
        with FileLock(base / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return make_or_wait


def start_warm_process(folder: Path) -> None:
    """Start it for all workers, and leave the folder of its commands in `commands`; it ends when pytest does."""
    short = Path(tempfile.mkdtemp())  # pytest's own folders are too long for a socket's name
    address, pytest_itself = short / "socket", os.getppid() if WORKER in os.environ else os.getpid()
    commands = warm.write_commands(address)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.workflow.warm", address, str(pytest_itself)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not address.exists():
        assert server.poll() is None, "the warm process did not start"
        time.sleep(0.05)
    (folder / "commands").write_text(str(commands))


@pytest.fixture(scope="session")
def warm_environment(made_once):
    """An environment in which `subtuning` and `snakemake` need not import anything."""
    commands = (made_once("warm", start_warm_process) / "commands").read_text()
    return real_environment(PATH=os.pathsep.join([commands, str(Path(sys.executable).parent), os.environ["PATH"]]))


@pytest.fixture(scope="session")
def subtuning(warm_environment):
    """Calls `subtuning` in a folder."""
    return lambda folder, *words: call(["subtuning", *words], folder, warm_environment)


@pytest.fixture(scope="session")
def snakemake(warm_environment) -> Snakemake:
    """Calls `snakemake` in a folder, with the project's Snakefile and two cores."""

    def run(folder: Path, *words: str, root: Path = ROOT, snakefile: str = "Snakefile", **environment: str) -> Result:
        words = ["warm-snakemake", "--snakefile", str(root / snakefile), "--cores", "2", *words]
        return call(words, folder, warm_environment | {"PYTHONPATH": str(root)} | environment)

    return run


@pytest.fixture(scope="session")
def finished(made_once, warm_environment) -> tuple[Path, str]:
    """A folder in which everything was made once by a real `python -m snakemake`, and what that printed; not to be
    changed."""

    def make(folder: Path) -> None:
        result = call([*SNAKEMAKE, "--cores", "2"], new_folder(folder / "project", CONFIG), warm_environment)
        assert result.code == 0, result.output
        (folder / "output.txt").write_text(result.output)

    folder = made_once("finished", make)
    return folder / "project", (folder / "output.txt").read_text()
