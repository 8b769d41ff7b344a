"""Draw the figures of docs/images again from the tables in docs/results, with the functions of the workflow.

    python docs/site/figures.py                    # all of them
    python docs/site/figures.py sizes worth

Only `mistakes.png` shows pixels, which no table has: it is the default job's, from results/figures.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from subtuning.analysis.figures import (
    greedy_figure,
    latency,
    pairs,
    profile_figure,
    save,
    tradeoff_figure,
    tune,
    windows,
)
from subtuning.analysis.figures.depths import Profiled, depths_figure
from subtuning.analysis.figures.heat import heat_figure
from subtuning.analysis.figures.pruning import pruning_figure
from subtuning.analysis.figures.ranks import ranks_figure
from subtuning.analysis.figures.sizes import sizes_figure
from subtuning.analysis.files import read_csv
from subtuning.analysis.ranks import ranks_table
from subtuning.analysis.sizes import draws_of, layers_table, sizes_table
from subtuning.analysis.tables import Item

DOCS = Path(__file__).resolve().parents[1]
DIGITS = ("digits", "efficientnet_lite0")


def table(name: str, task: str = "", backbone: str = "") -> pd.DataFrame:
    """A table of docs/results; of those of several tasks and backbones, the rows of one pair."""
    found = read_csv(DOCS / "results" / f"{name}.csv")
    if not task:
        return found
    own = found[(found["task"] == task) & (found["backbone"] == backbone)]
    return own.drop(columns=["task", "backbone"]).reset_index(drop=True)


def pairs_of(name: str) -> list[tuple[str, str]]:
    """Task and backbone of each pair in a table."""
    return list(table(name)[["task", "backbone"]].drop_duplicates().itertuples(index=False, name=None))


def layers_of(profile: pd.DataFrame) -> dict[str, Any]:
    """What figures read of `layers.json`, from a profile: names, and stages, which timm's names begin with."""
    names = [name for name in profile["layer"] if name not in ("linear", "full")]
    return {"layers": [{"name": name, "stage": name.rpartition(".")[0] or name} for name in names]}


def of_pair(draw: Callable[..., Figure], name: str, task: str, backbone: str, profile: str) -> Figure:
    """The figure of an experiment of one pair."""
    layers = layers_of(table(profile, *((task, backbone) if "task" in table(profile) else ())))
    rows = table(name, task, backbone) if "task" in table(name) else table(name)
    return draw(rows, layers, task, backbone)


def profile_of(name: str) -> Figure:
    """A profile of the default job."""
    return profile_figure(table(name), layers_of(table(name)), *DIGITS)


def sizes() -> Figure:
    """Sizes of the training set: what is a draw of what is told by the names of the tasks."""
    facts, items = {}, list[Item]()
    for task, backbone in pairs_of("sizes_evaluation"):
        images, draw = map(int, task.split("_")[1:])
        source = {"source": "arrays", "train_images": images, "draw": draw}
        facts[task] = {"source": source, "counts": {"train": images, "val": 0}}
        items.append(
            (task, backbone, table("sizes_evaluation", task, backbone), table("sizes_profile", task, backbone))
        )
    draws = draws_of(facts)
    return sizes_figure(sizes_table(items, draws), layers_table(items, draws))


def ranks() -> Figure:
    """Mean ranks over the tasks and backbones of `methods.yaml`."""
    found = [(*pair, table("methods_evaluation", *pair), pd.DataFrame()) for pair in pairs_of("methods_evaluation")]
    return ranks_figure(ranks_table(found))


def profiles() -> Figure:
    """The profiles of `pretraining.yaml` over depth."""
    found = [Profiled(*pair, table("pretraining_profile", *pair)) for pair in pairs_of("pretraining_profile")]
    return depths_figure(found)


def corruptions() -> Figure:
    """Which stage helps on which corruption."""
    name = "corruptions_profile"
    return heat_figure([Profiled(*pair, table(name, *pair)) for pair in pairs_of(name)])


WORTH = ("digits_200", "lite0")
NATURAL = ("cifar10_200", "lite0")
FIGURES: dict[str, Callable[[], Figure]] = {
    "profile": partial(profile_of, "digits_1epoch_profile"),
    "greedy": lambda: greedy_figure(table("digits_1epoch_greedy"), table("digits_1epoch_profile"), *DIGITS),
    "profile_seed100": partial(profile_of, "digits_1epoch_seed100_profile"),
    "tradeoff": lambda: tradeoff_figure(table("digits_1epoch"), *DIGITS),
    "tune": partial(of_pair, tune.draw, "digits_1epoch_tune", *DIGITS, "digits_1epoch_profile"),
    "latency": partial(of_pair, latency.draw, "digits_latency", *DIGITS, "digits_1epoch_profile"),
    "pruned": lambda: pruning_figure(table("digits_pruned"), DIGITS[0]),
    "cifar100_methods": lambda: tradeoff_figure(table("cifar100_methods"), "cifar100", "lite0"),
    "worth": lambda: tradeoff_figure(table("worth_evaluation", *WORTH), *WORTH),
    "sizes": sizes,
    "profiles": profiles,
    "ranks": ranks,
    "corruptions": corruptions,
    "pairs": partial(of_pair, pairs.draw, "pairs_pairs", *NATURAL, "worth_profile"),
    "windows": partial(of_pair, windows.draw, "pairs_windows", *NATURAL, "worth_profile"),
}
"""Name in docs/images -> what draws it."""


def main(names: list[str], folder: Path = DOCS / "images") -> None:
    """Draw the named figures, or all."""
    for name in names or FIGURES:
        save(FIGURES[name](), folder / f"{name}.png")


if __name__ == "__main__":
    main(sys.argv[1:])
