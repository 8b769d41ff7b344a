"""What is measured in a new process is not measured in this one. That one imports this file, so it imports little."""

import os
from dataclasses import dataclass

from subtuning.benchmark.timing import in_a_process


@dataclass
class Kind:
    images: int


def process_and_images(kind, factor):
    return os.getpid(), kind.images * factor


def test_another_process_computes_it():
    seconds, (process, images) = in_a_process(process_and_images, Kind(3), 2)
    assert images == 6
    assert process != os.getpid()
    assert seconds > 0
