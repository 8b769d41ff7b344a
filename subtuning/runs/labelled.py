"""Which images are labelled, as a short text in a run's identity."""

import numpy as np


def labelled_text(rows: np.ndarray, count: int) -> str:
    """A bit for each of `count` images, 1 for those of `rows`, padded to whole bytes, as hex digits."""
    bits = np.zeros(count, bool)
    bits[rows] = True
    return np.packbits(bits).tobytes().hex()


def labelled_rows(text: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The labelled ones of `count` images, and the others; both ascending."""
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))[:count].astype(bool)
    return np.flatnonzero(bits), np.flatnonzero(~bits)
