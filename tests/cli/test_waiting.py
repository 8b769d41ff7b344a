"""Threads that wait do not keep a busy machine from working: libgomp reads how they shall wait when torch is loaded."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from safetensors.torch import save_file

from tests.tiny import pictures, shaken_network

pytestmark = pytest.mark.slow

CONFIG = """
tasks: {tiny: {source: arrays, path: tiny.npz}}
backbones: {net: {model: test_resnet, weights: net.safetensors, input_size: 32}}
recipe: {epochs: 1, batch_size: 8}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A config of a tiny task and backbone, nothing of it prepared."""
    folder = tmp_path_factory.mktemp("cold")
    arrays = {f"{letter}_{part}": a for part in ("train", "test") for letter, a in zip("xy", pictures(16), strict=True)}
    np.savez(folder / "tiny.npz", **arrays)
    state = shaken_network("test_resnet").state_dict()
    save_file({n: v.float() if v.is_floating_point() else v for n, v in state.items()}, folder / "net.safetensors")
    (folder / "config.yaml").write_text(CONFIG)
    return folder


def spins(folder, layers):
    """How often threads of a training look for work before they sleep, as each libgomp says itself when it is loaded.

    It calls the policy PASSIVE also where none is set, and then spins some 100,000 times.
    """
    words = ["train", "--task", "tiny", "--backbone", "net", "--layers", layers, "--config", "config.yaml"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-m", "subtuning", *words],
        cwd=folder,
        env=clean | {"OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "1 runs, 0 finished before" in done.stderr
    return set(re.findall(r"GOMP_SPINCOUNT = '(\w+)'", done.stderr))


@pytest.mark.skipif(sys.platform != "linux", reason="torch brings GNU's libgomp on Linux alone")
def test_threads_wait_passively_whether_there_is_something_to_prepare_or_not(folder):
    assert spins(folder, "linear") == {"0"}, "cold: converts and describes first"
    assert spins(folder, "layer3.0") == {"0"}, "warm"
