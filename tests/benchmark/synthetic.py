"""`python -m tests.benchmark.synthetic FOLDER`: three tasks for races, as .npz files.

Their classes are the angle of a bar, the number of blobs, and the grain of a texture.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

SIZE = 32
TRAIN, TEST = 600, 100


def synthetic(kind: Callable[[np.random.Generator, int], np.ndarray], classes: int, seed: int) -> dict[str, np.ndarray]:
    """Training and test images (uint8, N x 32 x 32 x 1) whose class is what `kind` draws."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(TRAIN + TEST) % classes)
    pictures = np.stack([kind(rng, label) for label in labels])
    noisy = np.clip(pictures + rng.normal(0, 0.15, pictures.shape), 0, 1)
    pixels = (255 * noisy).astype(np.uint8)[..., None]
    names = ("x_train", "y_train", "x_test", "y_test")
    return dict(zip(names, (pixels[:TRAIN], labels[:TRAIN], pixels[TRAIN:], labels[TRAIN:]), strict=True))


def bar(rng: np.random.Generator, label: int) -> np.ndarray:
    """A bar at one of eight angles."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2 + rng.uniform(-4, 4, (2, 1, 1))
    angle = np.pi * (label + rng.uniform(-0.3, 0.3)) / 8
    return (np.abs(x * np.sin(angle) - y * np.cos(angle)) < 2.5).astype(float)


def blobs(rng: np.random.Generator, label: int) -> np.ndarray:
    """One to six blobs."""
    y, x = np.mgrid[:SIZE, :SIZE]
    centres = rng.uniform(4, SIZE - 4, (label + 1, 2))
    return np.max([np.exp(-((y - a) ** 2 + (x - b) ** 2) / 6) for a, b in centres], axis=0)


def texture(rng: np.random.Generator, label: int) -> np.ndarray:
    """Noise of one of six grains."""
    grain = label + 1
    coarse = rng.random((-(-SIZE // grain),) * 2)
    return np.kron(coarse, np.ones((grain, grain)))[:SIZE, :SIZE]


def main(folder: Path) -> None:
    """Write the three tasks."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, kind, classes) in enumerate([("bars", bar, 8), ("blobs", blobs, 6), ("textures", texture, 6)]):
        np.savez(folder / f"{name}.npz", **synthetic(kind, classes, seed))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
