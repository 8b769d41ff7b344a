"""Several threads open one task's images, as groups of lanes do: in turn, as NumPy's reading of headers wants it."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from subtuning.tasks import stored, task
from tests.tasks.pictures import class_folders
from tests.tasks.test_task_parts import converted


def test_threads_open_files_in_turn(tmp_path, monkeypatch):
    class_folders(tmp_path / "in", classes=2, each=12)
    whole, read, inside, most = converted(tmp_path / "in"), np.load, [], []

    def load(*words, **options):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()
        return read(*words, **options)

    monkeypatch.setattr(stored.np, "load", load)
    task._folds.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        looks = [lambda: whole.folds(2), lambda: whole.stored("train", "test"), lambda: whole.part("val")] * 3
        assert len(list(pool.map(lambda look: look(), looks))) == 9
    assert max(most) == 1
