"""Writing holds one image at a time, not the whole part; importing the room is cheap."""

import subprocess
import sys

import numpy as np

from subtuning.tasks.write import Rows

MEASURE = """
import resource, sys
from pathlib import Path
import numpy as np
from subtuning.tasks.source import Item, Source
from subtuning.tasks.convert import _shapes, _write
from subtuning.tasks.resume import Finished
n, size = {n}, (224, 224, 3)

def items():
    for part, count in (("train", 1), ("val", 1), ("test", n)):
        for row in range(count):
            yield Item(part, row, str(row), np.full(size, row % 251, np.uint8))

labels = {{part: np.zeros(count, np.int64) for part, count in (("train", 1), ("val", 1), ("test", n))}}
source = Source(("a", "b"), labels, items, size, None)
_write(source, Finished(Path(sys.argv[1]), "", _shapes(source, size)), "none", 2, False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_mib(folder, n):
    program = [sys.executable, "-c", MEASURE.format(n=n), str(folder)]
    return int(subprocess.run(program, capture_output=True, text=True, check=True).stdout) / 1024


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    small, large = peak_mib(tmp_path / "small", 10), peak_mib(tmp_path / "large", 1500)
    images = np.load(tmp_path / "large" / "test" / "images.npy", mmap_mode="r")
    assert images.nbytes > 200 * 2**20  # what a reader or a memory map would hold
    assert images[1499].max() == 1499 % 251
    assert large - small < 40


def test_rows_may_come_in_any_order_and_give_a_plain_npy_file(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 3, 1), np.uint8)
    rows = Rows(tmp_path / "x.npy", images.shape)
    for row in (3, 0, 4, 1, 2):
        rows.write(row, images[row])
    rows.close()
    np.save(tmp_path / "y.npy", images)
    assert (tmp_path / "x.npy").read_bytes() == (tmp_path / "y.npy").read_bytes()


def test_a_write_that_the_system_cuts_short_is_continued(tmp_path, monkeypatch):
    import os

    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, place: pwrite(file, data[:5], place))
    rows = Rows(tmp_path / "x.npy", (2, 3, 4, 1))
    image = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    rows.write(1, image)
    rows.close()
    assert np.array_equal(np.load(tmp_path / "x.npy")[1], image)


def test_importing_the_room_loads_no_heavy_package():
    program = "import sys, subtuning.tasks; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"subtuning", "numpy"} <= set(loaded)
    assert not {"torch", "torchvision", "PIL", "sklearn", "scipy", "h5py", "tqdm", "pandas", "pydantic"} & set(loaded)
