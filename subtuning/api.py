"""SubTuning from a notebook: the same code, the same results folder and the same cache as the commands.

    >>> import numpy as np, subtuning
    >>> from sklearn.datasets import load_digits
    >>> pixels, labels = load_digits(return_X_y=True)
    >>> images = np.repeat((pixels * 15).astype(np.uint8).reshape(-1, 8, 8, 1), 3, axis=3)
    >>> words = {"weights": "random", "input_size": 32, "folds": 2, "epochs": 1}
    >>> table = subtuning.profile("test_resnet", images[:300], labels[:300], **words)
    >>> table.columns[:4].tolist()
    ['layer', 'mean', 'std', 'n']
    >>> found = subtuning.greedy("test_resnet", images[:300], labels[:300], max_rounds=1, **words)
    >>> found.table["round"].unique().tolist()
    [1]
    >>> runs = subtuning.load_runs("results")
    >>> sorted(runs["split"].unique())
    ['cv']

Nothing is trained twice: `greedy` began with the runs of `profile`.
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from subtuning.analysis.records import COLUMNS, columns_of
from subtuning.config import Config, parse_config
from subtuning.errors import UserError
from subtuning.search.steps import settings_of
from subtuning.tasks.splits import take
from subtuning.workspace.pair import Pair
from subtuning.workspace.paths import Results
from subtuning.workspace.prepared import prepare_backbone, prepare_task
from subtuning.workspace.steps import conclude_step, table_of_step, train_step
from subtuning.workspace.trainings import Machine


class Search(NamedTuple):
    """What a greedy search found.

    Attributes:
        layers: the printed name of what to train, such as `layer3.0+layer4.2`.
        score: its mean accuracy (0-1) over the folds.
        table: all candidates of all rounds, one row each.
    """

    layers: str
    score: float
    table: pd.DataFrame


def profile(model: str, images: np.ndarray, labels: np.ndarray, **options: Any) -> pd.DataFrame:
    """The finetuning profile: how much each layer helps when it is trained alone (paper, section 3).

    Args:
        model: a timm model's name.
        images: uint8, N x H x W x C (C is 1 or 3). A fifth is kept aside for a later test and not looked at.
        labels: whole numbers from 0, N.
        options: `weights` (as in the config: `timm`, a file, `random`), `input_size` (pixels a side), `folds`, `seeds`,
            `how` (layers are trained: `search.how`), `results` (folder), `device` (`auto`, `cpu`, `cuda`), `test`
            (share kept aside), and all keys of the config's `recipe` (`epochs`, `lr` ...).

    Returns:
        One row a layer, `linear` and `full`: mean accuracy (0-1), 95 % interval, difference to linear probing,
        parameters, FLOPs of one image, seconds of a run.

    Raises:
        UserError: an option, a model or an array that cannot be used; the message says what would be right.
    """
    pair, settings, machine = _prepare(model, images, labels, options)
    train_step(pair, "profile", settings, machine)
    return table_of_step(pair, "profile", settings)


def greedy(
    model: str, images: np.ndarray, labels: np.ndarray, max_rounds: int = 4, epsilon: float = 0.0, **options: Any
) -> Search:
    """Greedy-SubTuning: the layers that are best together, by cross-validation (paper, section 4).

    Args:
        model: see `profile`, whose runs are the first round's.
        images: see there.
        labels: see there.
        max_rounds: layers at most.
        epsilon: least gain in accuracy (0-1) of a further layer.
        options: as there, and `stop` (`test`, `one_se`, `epsilon`), which of the layers found are kept.

    Returns:
        The layers, their score and the table of all candidates.

    Raises:
        UserError: see `profile`.
    """
    pair, settings, machine = _prepare(model, images, labels, options)
    settings |= {"greedy.max_rounds": max_rounds, "greedy.epsilon": epsilon}
    for step in ("profile", *(f"greedy/forward/{number}" for number in range(1, max_rounds + 1))):
        train_step(pair, step, settings, machine)
    found = conclude_step(pair, "greedy", settings)
    return Search(found["tuning"], found["score"], table_of_step(pair, "greedy", settings))


def load_runs(results: str | Path = "results") -> pd.DataFrame:
    """All finished runs of a results folder, one row each: what was trained, on what, and how it scored (0-1)."""
    return pd.DataFrame([columns_of(record) for record in Results(Path(results)).store], columns=COLUMNS)


def _prepare(
    model: str, images: np.ndarray, labels: np.ndarray, options: dict[str, Any]
) -> tuple[Pair, dict[str, Any], Machine]:
    options = dict(options)
    results, device = Path(options.pop("results", "results")), options.pop("device", "auto")
    folds, entry = options.pop("folds", 5), {"model": model}
    seeds, stop, how = options.pop("seeds", 1), options.pop("stop", "test"), options.pop("how", "weights")
    entry |= {key: options.pop(key) for key in ("weights", "input_size") if key in options}
    file = _write_arrays(np.asarray(images), np.asarray(labels), options.pop("test", 0.2), results)
    names = (f"arrays-{file.stem}", "".join(c if c.isalnum() or c in "_.-" else "_" for c in model))
    config: Config = parse_config(
        {
            "tasks": {names[0]: {"source": "arrays", "path": str(file)}},
            "backbones": {names[1]: entry},
            "recipe": options,
            "profile": {"folds": folds},
            "greedy": {"folds": folds, "stop": stop},
            "search": {"seeds": seeds, "how": how},
        },
        where="options",
    )
    prepare_task(config, names[0], results)
    prepare_backbone(config, names[1], results)
    settings = settings_of(config, names[1])
    return Pair(results, names, config.recipe_of(*names)), settings, Machine(device=device)


def _write_arrays(images: np.ndarray, labels: np.ndarray, test: float, results: Path) -> Path:
    """The images and labels as a file that `source: arrays` reads, named by its content."""
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) != len(labels):
        raise UserError(
            f"images are {images.dtype} of shape {images.shape} with {len(labels)} labels; they must be uint8, "
            "N x H x W x C, with N labels"
        )
    digest = hashlib.sha256(images.tobytes() + labels.astype(np.int64).tobytes() + str(test).encode()).hexdigest()
    file = results / "data" / f"{digest[:12]}.npz"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        kept, held = take(labels, round(test * len(labels)), 0, "test")
        partial = file.with_suffix(".partial.npz")
        arrays = {"train": kept, "test": held}
        named = {f"x_{part}": images[rows] for part, rows in arrays.items()}
        np.savez(partial, **named, **{f"y_{part}": labels[rows] for part, rows in arrays.items()})
        partial.replace(file)
    return file
