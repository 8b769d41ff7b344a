"""Accuracy and best layer over the size of the training set, of tasks that are draws of one source.

Tasks whose entries differ in nothing but `train_images` and `draw` are a *family*. A draw counts once, with its mean
over the seeds; intervals are Student's t over the draws of one size. Larger draws share images with each other, so
intervals at large shares of all images are too narrow.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from subtuning.analysis.paper import with_interval
from subtuning.analysis.tables import NAN, Item, difference_cells, score_cells

COLUMNS = ["family", "backbone", "images", "method", "mean", "std", "n", "ci_low", "ci_high"]
COLUMNS += ["diff_full", "diff_full_ci_low", "diff_full_ci_high", "layers", "metric"]
LAYER_COLUMNS = ["family", "backbone", "images", "layer", "mean", "std", "n", "ci_low", "ci_high", "best", "metric"]


class Draw(NamedTuple):
    """A task of a family: the family's name, and its number of images in train and val."""

    family: str
    images: int


def draws_of(facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Draw]:
    """Each task that belongs to a family of several sizes; `facts` are the contents of `task.json` by task.

    A family is called by the first words that its names share (`cifar10` of `cifar10_100_0` and `cifar10_1000_0`).
    """
    families: dict[str, list[str]] = {}
    for task, found in facts.items():
        source = {key: value for key, value in found["source"].items() if key not in ("train_images", "draw")}
        families.setdefault(json.dumps(source, sort_keys=True), []).append(task)
    draws: dict[str, Draw] = {}
    for tasks in families.values():
        images = {task: sum(facts[task]["counts"][part] for part in ("train", "val")) for task in tasks}
        if len(set(images.values())) > 1:
            words = [task.split("_") for task in tasks]
            alike = takewhile(lambda place: len(set(place)) == 1, zip(*words, strict=False))
            name = "_".join(place[0] for place in alike)
            name = tasks[0] if name in {"", *(draw.family for draw in draws.values())} else name
            draws |= {task: Draw(name, count) for task, count in images.items()}
    return draws


def sizes_table(items: Sequence[Item], draws: Mapping[str, Draw]) -> pd.DataFrame:
    """A row for each family, backbone, number of images and method: test scores, a value a draw.

    `diff_full` is paired by draw. `layers` says what was trained, where draws differ with how many each. A row of
    which a draw diverged has no mean. Sizes ascend.
    """
    rows = []
    for (family, backbone, images), group in _grouped(items, draws).items():
        tables = [evaluation.set_index("method") for _, _, evaluation, _ in group]
        for method in [name for name in tables[0].index if all(name in table.index for table in tables)]:
            scores, full = (_values(tables, name) for name in (method, "full"))
            metric = str(tables[0]["metric"].iloc[0])
            row = {"family": family, "backbone": backbone, "images": images, "method": method}
            row |= score_cells(scores, sum(pd.notna(table.loc[method, "mean"]) for table in tables), None, metric)
            row |= difference_cells("diff_full", "diff_full", scores, None if method == "full" else full, None)
            rows.append(row | {"layers": _counted(table.loc[method, "layers"] for table in tables), "metric": metric})
    return pd.DataFrame(rows, columns=COLUMNS)


def layers_table(items: Sequence[Item], draws: Mapping[str, Draw]) -> pd.DataFrame:
    """A row for each family, backbone, number of images and layer: cross-validated scores, a value a draw.

    `best` counts the draws in which the layer is the best single one.
    """
    rows = []
    for (family, backbone, images), group in _grouped(items, draws).items():
        tables = [profile.set_index("layer") for _, _, _, profile in group]
        layers = [name for name in tables[0].index if name not in ("linear", "full")]
        best = Counter(
            table.loc[layers, "mean"].idxmax() for table in tables if table.loc[layers, "mean"].notna().any()
        )
        for layer in layers:
            values, metric = _values(tables, layer), str(tables[0]["metric"].iloc[0])
            row = {"family": family, "backbone": backbone, "images": images, "layer": layer}
            row |= score_cells(values, sum(pd.notna(table.loc[layer, "mean"]) for table in tables), None, metric)
            rows.append(row | {"best": best[layer], "metric": metric})
    return pd.DataFrame(rows, columns=LAYER_COLUMNS)


def crossings(sizes: pd.DataFrame) -> list[str]:
    """Between which sizes a method and full fine-tuning overtake each other, and whether the intervals of their
    difference leave out 0 at both, as sentences without their full stops."""
    found = []
    for (family, backbone, method), rows in sizes.groupby(["family", "backbone", "method"], sort=False):
        known = rows[rows["diff_full"].notna() & (rows["diff_full"] != 0)].sort_values("images")
        for before, after in zip(known.index, known.index[1:], strict=False):
            signs = np.sign(known.loc[[before, after], "diff_full"])
            if signs.iloc[0] != signs.iloc[1]:
                ahead, behind = ("full", method) if signs.iloc[0] > 0 else (method, "full")
                ends = known.loc[[before, after]]
                sure = (ends["diff_full_ci_low"] * ends["diff_full_ci_high"] > 0).all()
                words = " and ".join(f"{images:,}" for images in ends["images"])
                found.append(
                    f"{family}/{backbone}: {ahead} overtakes {behind} between {words} images"
                    + ("" if sure else ", by means alone: their intervals do not tell them apart")
                )
    return found


def sizes_words(sizes: pd.DataFrame) -> pd.DataFrame:
    """The table as text: a row a family, backbone and method, a column a size, in percent."""
    columns = sorted(set(sizes["images"]))
    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in sizes.to_dict("records"):
        words = "diverged" if pd.isna(row["mean"]) else with_interval(row["mean"], row["ci_low"], row["ci_high"])
        cells.setdefault((row["family"], row["backbone"], row["method"]), {})[f"{row['images']:,}"] = words
    names = [f"{images:,}" for images in columns]
    rows = [dict(zip([*COLUMNS[:2], "method"], key, strict=True)) | found for key, found in cells.items()]
    return pd.DataFrame(rows, columns=["family", "backbone", "method", *names]).fillna("-")


def sizes_notes(sizes: pd.DataFrame) -> list[str]:
    """What a reader must know, as sentences without their full stops."""
    few, many = int(sizes["n"].min()), int(sizes["n"].max())
    counted = f"{many}" if few == many else f"{few} to {many}"
    words = "Test scores in percent by the number of training images; "
    words += "one draw of each, so no intervals" if many < 2 else f"95 % intervals over {counted} draws of them"
    return [words + (" (one draw has none)" if few < 2 <= many else ""), *crossings(sizes)]


def _grouped(items: Sequence[Item], draws: Mapping[str, Draw]) -> dict[tuple[str, str, int], list[Item]]:
    """(family, backbone, images) -> its draws."""
    groups: dict[tuple[str, str, int], list[Item]] = {}
    for item in items:
        if draw := draws.get(item[0]):
            groups.setdefault((draw.family, item[1], draw.images), []).append(item)
    return dict(sorted(groups.items()))


def _values(tables: Sequence[pd.DataFrame], name: str) -> list[float] | None:
    """The mean of a row in each table; None where any has none."""
    values = [float(table.loc[name, "mean"]) if name in table.index else NAN for table in tables]
    return None if np.isnan(values).any() else values


def _counted(words: Any) -> str:
    """`a+b`, or `a+b (2), c (1)` where they differ."""
    found = Counter(map(str, words)).most_common()
    return found[0][0] if len(found) == 1 else ", ".join(f"{name} ({count})" for name, count in found)
