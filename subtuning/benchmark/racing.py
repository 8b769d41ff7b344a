"""Races against full searches: how often both choose the same, and how much training a race saves.

    python -m subtuning.benchmark.racing FOLDER

writes three synthetic tasks there, as .npz files: the angle of a bar, the number of blobs, the grain of a texture.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from subtuning.search.experiments import greedy
from subtuning.search.racing import race
from subtuning.search.scores import fold_scores, mean
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning

SIZE = 32
TRAIN, TEST = 600, 100


def against_full(records: dict[str, Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """Play a race on the records of a full search.

    Args:
        records: layer -> its cross-validation records, one a fold; nothing may be missing.

    Returns:
        full, raced: the layers chosen; full_score, raced_score: their mean accuracies over all folds; spent: the share
        of all trainings that the race needs.
    """
    folds = len(next(iter(records.values())))
    ordered = {layer: sorted(found, key=lambda r: r["identity"]["fold"]) for layer, found in records.items()}
    found, alive = race(list(ordered), folds, lambda layers, fold: [ordered[layer][fold] for layer in layers])
    trained = sum(map(len, found.values()))
    scores = {layer: mean(fold_scores(found)) for layer, found in ordered.items()}
    full, raced = (max(layers, key=scores.__getitem__) for layers in (ordered, alive))
    return {
        "candidates": len(ordered),
        "full": full,
        "raced": raced,
        "same": full == raced,
        "full_score": scores[full],
        "raced_score": scores[raced],
        "spent": trained / (folds * len(ordered)),
    }


def races(study: Study) -> Iterator[dict[str, Any]]:
    """A race on every finished round of a full search that begins with linear probing: one row a round."""
    for this in greedy.finished(study, "forward", study.settings["greedy.max_rounds"]):
        records = {
            c["layer"]: study.require(
                study.runs([Tuning.parse(c["tuning"], study.names)], greedy.splits(study.settings))
            )
            for c in this["candidates"]
        }
        finished = {layer: found for layer, found in records.items() if all(record["metrics"] for record in found)}
        if finished:
            task, backbone = study.base.names
            yield {"task": task, "backbone": backbone, "round": this["round"]} | against_full(finished)


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
