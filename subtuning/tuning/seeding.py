"""Random numbers that follow from a seed, whatever else a process draws."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

import numpy as np
import torch

_SEEDING = threading.Lock()
"""Held while somebody draws from torch's one global generator; groups of lanes begin on several threads."""


@contextmanager
def seeded(seed: int, place: str = "") -> Iterator[None]:
    """Inside, torch's generator of the CPU gives the numbers of this seed and place, and is as before afterwards.

    Args:
        place: such as a layer's name, so that places of one seed draw different numbers, each always the same.
    """
    own = int(np.random.SeedSequence([seed, crc32(place.encode())]).generate_state(1)[0]) if place else seed
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(own)
        yield
