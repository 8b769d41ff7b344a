"""How long missing runs will take, from what finished ones took; never a number without such a basis."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from subtuning.runs.identity import Run, Split
from subtuning.tuning.tuning import Tuning


class Pace:
    """Seconds that an image takes in training, from finished records.

    A run's pace is that of records of the same task and backbone with as many layers (none, one, several, all); where
    there are none, of the same task and backbone; then of the backbone and as many layers; then of the backbone.
    Only records made on the kind of device (CPU or GPU) of the newest record count.
    """

    def __init__(self, records: Iterable[Mapping[str, Any]]):
        records = [record for record in records if record.get("images_per_second") and record.get("started")]
        newest = max(records, key=lambda record: record["started"], default=None)
        self._sums: dict[tuple, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for record in records:
            if _on_cpu(record) == _on_cpu(newest):
                for key in _keys(*record["names"].values(), Tuning.of_identity(record["identity"])):
                    self._sums[key][0] += record["seconds"]
                    self._sums[key][1] += record["seconds"] * record["images_per_second"]

    def knows(self, task: str, backbone: str) -> bool:
        """Whether anything of this very pair counts."""
        return (task, backbone) in self._sums

    def seconds(self, run: Run, counts: Mapping[str, int]) -> float | None:
        """How long one run takes on its own, None where nothing is known.

        Args:
            counts: the numbers of images in the task's parts, `train` and `val`.
        """
        images = run.recipe.epochs * training_images(run.split, counts)
        for key in _keys(*run.names, run.tuning):
            if key in self._sums:
                seconds, seen = self._sums[key]
                return images * seconds / seen
        return None


def training_images(split: Split, counts: Mapping[str, int]) -> float:
    """How many images train a run of this split in one epoch."""
    if split.kind == "val":
        return counts["train"]
    if split.kind == "all":
        return counts["train"] + counts["val"] + counts["test"]
    if split.labelled:
        return int(split.labelled, 16).bit_count()
    both = counts["train"] + counts["val"]
    return both * (1 - 1 / split.folds) if split.folds else both


def _keys(task: str, backbone: str, tuning: Tuning) -> list[tuple]:
    kind = "all" if tuning.size is None else min(tuning.size, 2)
    return [(task, backbone, kind), (task, backbone), (None, backbone, kind), (None, backbone)]


def _on_cpu(record: Mapping[str, Any]) -> bool:
    return str(record.get("device")).startswith("cpu")


def time_words(seconds: float) -> str:
    """Seconds as people say them: `45 s`, `12 min`, `3.5 h`, `2.1 days`."""
    for limit, unit, size in ((90, "s", 1), (5400, "min", 60)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"
