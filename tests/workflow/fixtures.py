"""Commands that start at once, and one finished run for many tests."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.workflow import warm
from tests.workflow.snake import CONFIG, ROOT, SNAKEMAKE, Result, Snakemake, call, new_folder, real_environment


@pytest.fixture(scope="session")
def warm_environment():
    """An environment in which `subtuning` and `snakemake` need not import anything."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are too long for a socket's name
        address = Path(folder) / "socket"
        commands = warm.write_commands(address)
        server = subprocess.Popen([sys.executable, "-m", "tests.workflow.warm", address], cwd=ROOT)
        try:
            while not address.exists():
                assert server.poll() is None, "the warm process did not start"
                time.sleep(0.05)
            path = os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]])
            yield real_environment(PATH=path)
        finally:
            server.kill()
            server.wait()


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
def finished(tmp_path_factory, warm_environment) -> tuple[Path, str]:
    """A folder in which everything was made once by a real `python -m snakemake`, and what that printed; not to be
    changed."""
    folder = new_folder(tmp_path_factory.mktemp("finished") / "project", CONFIG)
    result = call([*SNAKEMAKE, "--cores", "2"], folder, warm_environment)
    assert result.code == 0, result.output
    return folder, result.output
