"""A conversion that was killed goes on where it was, and gives what an undisturbed one gives."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from subtuning.config.tasks import FolderTask
from subtuning.tasks import convert, convert_task

COUNT = 60

KILLED = """
import json, os, signal, sys, time
from pathlib import Path
from subtuning.config.tasks import FolderTask
from subtuning.tasks import convert_task, resume
from subtuning.tasks.sources import files

folder, decode, decoded = Path(sys.argv[1]), files.open_rgb, []
marks = folder / ".task.partial" / "finished.json"
resume.SECONDS = 0.01

def kept():
    if not marks.exists():
        return 0
    return sum(bin(int(rows, 16)).count("1") for rows in json.loads(marks.read_text())["rows"].values())

def watched(path):
    if len(decoded) == 25:
        while kept() < 25:  # a saving every few milliseconds
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    decoded.append(path)
    return decode(path)

files.open_rgb = watched
spec = FolderTask(source="folder", path=str(folder / "images"), stored_size=16)
convert_task("task", spec, folder / "task", workers=1, progress=False)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A folder of images whose conversion was killed after 25 of them; the first holds two pages."""
    folder = tmp_path_factory.mktemp("killed")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        file = folder / "images" / "ab"[number % 2] / f"{number:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(rng.integers(0, 256, (20, 24, 3), np.uint8))
        if number:
            picture.save(file)
        else:
            picture.save(file.with_suffix(".tif"), save_all=True, append_images=[picture])
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert not (folder / "task").exists()
    return folder


@pytest.fixture
def again(killed, tmp_path, monkeypatch):
    """Converts what was killed once more, in a copy; returns how many images were decoded, and the task's files."""
    folder, open_source, decoded = tmp_path / "copy", convert.open_source, []
    shutil.copytree(killed, folder, copy_function=shutil.copy2)

    def watched(*words, **more):
        source = open_source(*words, **more)
        original = source.decode
        object.__setattr__(source, "decode", lambda path: decoded.append(path) or original(path))
        return source

    def run(out="task"):
        monkeypatch.setattr(convert, "open_source", watched)
        decoded.clear()
        spec = FolderTask(source="folder", path=str(killed / "images"), stored_size=16)
        convert_task("task", spec, folder / out, workers=2, progress=False)
        return len(decoded), content(folder / out)

    run.folder = folder
    return run


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_only_what_is_left_is_decoded_and_the_task_is_the_same(again, capsys):
    decoded, files = again()
    assert decoded == COUNT - 25
    assert "1 of 60 pictures hold several pages" in capsys.readouterr().err, "seen before it was killed"
    everything, expected = again("fresh")
    assert everything == COUNT
    assert files == expected
    assert len(files) == 8
    assert not list(again.folder.glob(".*.partial"))


def test_images_that_changed_meanwhile_are_all_converted_anew(again, killed):
    file = killed / "images" / "b" / "01.png"
    before = file.stat()
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert again()[0] == COUNT
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("damage", ["{", '{"key": null}', "missing images"])
def test_marks_without_their_images_do_not_count(again, damage):
    partial = again.folder / ".task.partial"
    if damage == "missing images":  # killed while the files were put in their place
        (partial / "train" / "images.npy").unlink()
    else:
        (partial / "finished.json").write_text(damage)
    decoded, files = again()
    assert decoded == COUNT
    assert json.loads(files["task.json"])["counts"]
