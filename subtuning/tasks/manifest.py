"""What can be known about the tasks without their data, and adding what a conversion of the real data showed.

    python -m subtuning.tasks.manifest                         # write manifest.json again from rules alone
    python -m subtuning.tasks.manifest results/tasks/cifar100  # and add what this folder holds, once you trust it

Counts come from the registry. Members (keys of the official images) follow from the rule of `vtab.order` wherever all
keys are known: numbered files, or SUN397's lists. Labels follow where they are part of the key or of a regular grid.
Pixels cannot be known without the archives; nobody has published a hash of them.
"""

import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from subtuning.tasks.labels import label_counts
from subtuning.tasks.source import PARTS
from subtuning.tasks.sources.vtab import describe_members
from subtuning.tasks.task import read_facts
from subtuning.tasks.verify import MANIFEST, variant
from subtuning.tasks.vtab import labels
from subtuning.tasks.vtab.image_sets import class_names, sun397_lists
from subtuning.tasks.vtab.order import Key, stored_order
from subtuning.tasks.vtab.registry import TASKS, Entry

_BY_NAME = "derived from the documented file names"
EUROSAT_SIZES = (3000, 3000, 3000, 2500, 2500, 2000, 2500, 3000, 2500, 3000)
"""Images a class, in label order (Helber et al. 2019, table 2); files are numbered from 1."""
RESISC45_SIZE = 700
_CLASSES = (102, 100, 47, 102, 37, 10, 397, 2, 10, 45, 5, 8, 6, 6, 4, 16, 16, 18, 9)
CLASS_COUNTS = dict(zip(TASKS, _CLASSES, strict=True))
"""Classes a task (Zhai et al., arXiv 1910.04867, table 2; 102 for Caltech-101 with its background class)."""
DIGITS = {
    "classes": 10,
    "sha256": {"8x8x1 none": "ed6463416b5b58192463bb7eca542ca57913cf20e11c5fdc0feb69428a970fd4"},
    "parts": {
        "train": {"images": 800, "labels": [79, 81, 78, 81, 81, 81, 81, 80, 78, 80]},
        "val": {"images": 200, "labels": [20, 20, 20, 21, 20, 20, 20, 20, 19, 20]},
        "test": {"images": 797, "labels": [79, 81, 79, 81, 80, 81, 80, 79, 77, 80]},
    },
}


def known() -> dict:
    """The manifest as far as rules alone give it."""
    tasks = {name: _from_rules(name, entry) for name, entry in TASKS.items()}
    tasks["cifar100"]["parts"]["test"]["labels"] = [100] * 100  # 100 test images a class (Krizhevsky 2009)
    tasks["dtd"]["parts"]["test"]["labels"] = [40] * 47  # 120 images a class in three equal parts (Cimpoi et al. 2014)
    return {"digits": DIGITS, **tasks}


def _from_rules(name: str, entry: Entry) -> dict:
    keys, classes = _keys(entry), CLASS_COUNTS[name]
    orders = _orders(entry.data_set)
    parts = {}
    for part, cut in entry.cuts.items():
        size = entry.sizes[cut.split]
        rows = cut.rows(orders.get(cut.split, np.arange(size)))
        parts[part] = {"images": len(rows)}
        if cut.split not in keys:
            continue
        parts[part]["members"] = describe_members(keys[cut.split], rows)["sha256"]
        targets = _labels(name, [keys[cut.split][i] for i in rows])
        if targets is not None:
            parts[part]["labels"] = label_counts(targets, classes)
        if entry.data_set in ("eurosat", "resisc45"):
            parts[part]["basis"] = _BY_NAME
    return {"classes": classes, "parts": parts}


@cache
def _orders(data_set: str) -> dict[str, np.ndarray]:
    entry = next(entry for entry in TASKS.values() if entry.data_set == data_set)
    return {split: stored_order(split, keys) for split, keys in _keys(entry).items()}


def _keys(entry: Entry) -> dict[str, Sequence[Key]]:
    """All keys of those splits where they are known without the data."""
    if entry.data_set in ("cifar100", "svhn", "dsprites", "smallnorb"):
        return {split: range(size) for split, size in entry.sizes.items()}
    if entry.data_set == "sun397":
        return sun397_lists()
    if entry.data_set == "patch_camelyon":
        names = {"train": "train", "validation": "valid", "test": "test"}
        return {split: [f"{names[split]}_{i}" for i in range(size)] for split, size in entry.sizes.items()}
    if entry.data_set == "clevr":
        names = {"train": "train", "validation": "val"}
        return {s: [f"CLEVR_{names[s]}_{i:06d}.png" for i in range(size)] for s, size in entry.sizes.items()}
    if entry.data_set == "eurosat":
        pairs = zip(class_names("eurosat"), EUROSAT_SIZES, strict=True)
        return {"train": [f"{label}_{label}_{i}.jpg" for label, size in pairs for i in range(1, size + 1)]}
    if entry.data_set == "resisc45":
        numbers = range(1, RESISC45_SIZE + 1)
        return {"train": [f"{label}_{label}_{i:03d}.jpg" for label in class_names("resisc45") for i in numbers]}
    return {}


def _labels(name: str, keys: list[Key]) -> np.ndarray | None:
    """Labels that follow from the keys, or None."""
    if name.startswith("dsprites"):
        # The array runs through 3 shapes, 6 scales, 40 orientations, 32 x and 32 y positions, the last one fastest.
        latents = np.stack(np.unravel_index(np.array(keys), (1, 3, 6, 40, 32, 32)), axis=1)
        return labels.dsprites_location(latents) if name.endswith("loc") else labels.dsprites_orientation(latents)
    if name in ("sun397", "eurosat", "resisc45"):
        place = {label: i for i, label in enumerate(class_names(name))}
        return np.array([place[_class_of(key)] for key in keys])
    return None


def _class_of(key: str) -> str:
    """The class in `/a/abbey/sun_x.jpg` and in `Forest_Forest_1.jpg`."""
    if key.startswith("/"):
        return key[1:].rpartition("/")[0]
    twice = key.rpartition("_")[0]
    return twice[: len(twice) // 2]


def add(content: dict, path: Path) -> None:
    """Add what the converted task in folder `path` holds: members, labels and content hash."""
    facts = read_facts(path)
    entry = content[facts["source"]["name"]]
    entry.setdefault("sha256", {})[variant(facts)] = facts["sha256"]
    for part in PARTS:
        entry["parts"][part] = {
            "images": facts["counts"][part],
            "members": facts.get("members", {}).get(part, {}).get("sha256"),
            "labels": facts["label_counts"][part],
        }


def main(arguments: list[str]) -> None:
    """Write the manifest."""
    content = known()
    for path in arguments:
        add(content, Path(path))
    MANIFEST.write_text(text(content), encoding="utf-8")


def text(content: dict) -> str:
    """JSON with one line a part."""
    lines = []
    for name, entry in content.items():
        parts = ",\n".join(f"   {json.dumps(part)}: {json.dumps(facts)}" for part, facts in entry["parts"].items())
        head = json.dumps({key: value for key, value in entry.items() if key != "parts"})[1:-1]
        lines.append(f' {json.dumps(name)}: {{{head}, "parts": {{\n{parts}}}}}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main(sys.argv[1:])
