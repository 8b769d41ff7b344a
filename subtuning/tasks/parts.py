"""Train, val and test by the words that people use for them, and splitting off the parts that nobody named."""

import re
from collections.abc import Iterable

import numpy as np

from subtuning.errors import UserError
from subtuning.tasks.source import PARTS
from subtuning.tasks.splits import share_or_count, take

_WORDS = {
    "train": "train training trn",
    "val": "val valid validation dev devel development",
    "test": "test testing tst",
    "eval": "eval evaluation",
}
_MEANINGS = {word: meaning for meaning, words in _WORDS.items() for word in words.split()}
_ADDED = re.compile(r"[\W_]*(set|data|images|imgs|split)?$")


def meaning(name: str) -> str | None:
    """What a word such as `Training` or `test_set` means: train, val, test, eval (see `find_parts`), or no part."""
    return _MEANINGS.get(_ADDED.sub("", name.strip().casefold()))


def find_parts(names: Iterable[str], where: str) -> tuple[dict[str, str], list[str]]:
    """Part -> the one of `names` that means it, and warnings. What all names begin with (`seg_train`) does not count.

    What is called eval is the test part, unless something else is called test: then it is val. A held-out part that
    stands alone beside train is the test part, whatever its name; val is then split off train. Raises `UserError` if
    two names mean one part. There may be no train or no test in what is returned.
    """
    names = list(names)
    same_head = len({name.rpartition("_")[0] for name in names}) == 1
    found: dict[str, list[str]] = {}
    for name in names:
        if part := meaning(name.rpartition("_")[2] if same_head else name):
            found.setdefault(part, []).append(name)
    if "eval" in found:
        place = "val" if "test" in found else "test"
        found[place] = found.get(place, []) + found.pop("eval")
    if twice := [words for words in found.values() if len(words) > 1]:
        raise UserError(f"{where} has {' and '.join(twice[0])}, which mean the same part; keep one or rename the other")
    parts = {part: words[0] for part, words in found.items()}
    if "train" in parts and "val" in parts and "test" not in parts:
        parts["test"] = parts.pop("val")
        words = f"{where} has no test part, so {parts['test']} is taken for it, and val is split off {parts['train']}"
        return parts, [words]
    return parts, []


def consecutive(counts: dict[str, int]) -> dict[str, np.ndarray]:
    """Rows of each part where the parts, of so many images each, stand one after another."""
    ends = np.cumsum(list(counts.values()))
    return dict(zip(counts, np.split(np.arange(ends[-1]), ends[:-1]), strict=True))


def divide(labels: np.ndarray, spec, where: str, rows: dict[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """Rows of each part for N labels: those of `rows` (None: all are train); absent test and val are split off train.

    Splits are stratified, as `spec.test`, `spec.val` and `spec.split_seed` say; shares are of all that train had.
    """
    rows = dict(rows or {"train": np.arange(len(labels))})
    total = len(rows["train"])
    for part in ("test", "val"):
        if part not in rows:
            train, count = rows["train"], share_or_count(getattr(spec, part), total, part)
            rest, chosen = take(labels[train], count, spec.split_seed, f"{where}: {part}")
            rows |= {"train": train[rest], part: train[chosen]}
    return {part: rows[part] for part in PARTS}
