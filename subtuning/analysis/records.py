"""Run records: as rows of a table, and grouped and checked before anything is computed from them.

A record is the dictionary that a run leaves in the store. Records are compared in pairs: the same (seed, fold) saw the
same images in the same order, whichever layers were trained.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from subtuning.errors import UserError, listed
from subtuning.search.scores import score_of
from subtuning.tuning.tuning import Tuning

Record = Mapping[str, Any]
PairKey = tuple[int, int | None]
"""(seed, fold); the fold is None outside cross-validation."""

COLUMNS = [
    *("id", "task", "backbone", "layers", "split", "folds", "fold", "seed", "status", "accuracy", "loss", "seconds"),
    *("images_per_second", "lane_memory_bytes", "trainable_parameters", "epochs", "precision", "device", "started"),
    "numbers",
]
"""Of a run as a row. Accuracy is from 0 to 1, fold counts from 0."""


def columns_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as a row."""
    identity, metrics = record["identity"], record["metrics"] or {}
    known = {"layers": layers_of(record), "epochs": identity["recipe"]["epochs"]}
    known |= {"precision": identity["recipe"]["precision"], "numbers": identity.get("numbers")}
    content = record | record["names"] | metrics | {key: identity[key] for key in ("split", "folds", "fold", "seed")}
    return {key: content.get(key) for key in COLUMNS} | known


def layers_of(record: Mapping[str, Any]) -> str:
    """What a run trained, by its printed name."""
    return str(Tuning.of_identity(record["identity"]))


def pair_key(record: Record) -> PairKey:
    """The (seed, fold) that pairs this record with those of other tunings."""
    return record["identity"]["seed"], record["identity"]["fold"]


def common_split(records: Iterable[Record]) -> tuple[str, int | None]:
    """The split that all records share, and its number of folds (None outside cross-validation).

    Raises `UserError` if there is no record or they have several precisions, and `ValueError` if they come from several
    tasks, backbones or splits: such numbers must not share a table.
    """
    records = list(records)
    if not records:
        raise UserError("there is no finished run to make a table from; run the stage that trains first")
    precision_of(records)
    for what, values in (
        ("tasks", {record["names"]["task"] for record in records}),
        ("backbones", {record["names"]["backbone"] for record in records}),
        ("splits", {(record["identity"]["split"], record["identity"]["folds"]) for record in records}),
    ):
        if len(values) > 1:
            raise ValueError(f"records of several {what} in one table: {listed(sorted(values, key=str))}")
    identity = records[0]["identity"]
    return identity["split"], identity["folds"] if identity["split"] == "cv" else None


def precision_of(records: Iterable[Record]) -> str:
    """The precision in which all records were computed.

    Raises `UserError` if there are several: a difference between two methods must not be one between two machines.
    """
    found = sorted({record["identity"]["recipe"]["precision"] for record in records})
    if len(found) > 1:
        raise UserError(
            f"a table would mix runs computed in {listed(found)}; set recipe.precision to one of them and give the "
            "same command again"
        )
    return found[0]


def metric_of(records: Iterable[Record]) -> str:
    """The metric that all records were scored by. Raises `ValueError` if there are several."""
    found = sorted({record.get("metric", "accuracy") for record in records})
    if len(found) > 1:
        raise ValueError(f"records scored by several metrics in one table: {listed(found)}")
    return found[0]


def devices_of(records: Iterable[Record]) -> str:
    """The devices that computed the records, in words."""
    return ", ".join(sorted({str(record.get("device", "unknown")) for record in records}))


def by_pair(records: Iterable[Record]) -> dict[PairKey, Record]:
    """The records of one tuning by (seed, fold). Raises `ValueError` if two records claim the same place."""
    found: dict[PairKey, Record] = {}
    for record in records:
        key = pair_key(record)
        if key in found and found[key]["id"] != record["id"]:
            raise ValueError(f"two different runs ({found[key]['id']}, {record['id']}) for {_place(key)}")
        found[key] = record
    return found


def expected_pairs(records: Iterable[Record], folds: int | None) -> list[PairKey]:
    """Every (seed, fold) that a complete table needs: all seeds that occur, times all folds."""
    seeds = sorted({record["identity"]["seed"] for record in records})
    return [(seed, fold) for seed in seeds for fold in (range(folds) if folds else [None])]


def require_complete(groups: Mapping[str, Mapping[PairKey, Record]], expected: Sequence[PairKey], where: str) -> None:
    """Raise `UserError` that names every missing run: a table never stands in for a run that was not made."""
    missing = [f"{name} ({_place(key)})" for name, found in groups.items() for key in expected if key not in found]
    if missing:
        raise UserError(f"{where} lacks {len(missing)} of its runs, train them first: {listed(missing)}")


def scores(found: Mapping[PairKey, Record], expected: Sequence[PairKey]) -> tuple[list[float] | None, int]:
    """What runs score in the order of `expected`, shape (n,), and how many finished.

    The list is None as soon as one run diverged: a mean of the survivors would flatter the tuning.
    """
    finished = [score_of(found[key]) for key in expected if found[key]["status"] == "done"]
    return (finished if len(finished) == len(expected) else None), len(finished)


def setting(records: Sequence[Record]) -> str:
    """``task digits, backbone resnet50``: where the records come from, for messages."""
    names = records[0]["names"]
    return f"task {names['task']}, backbone {names['backbone']}"


def _place(key: PairKey) -> str:
    seed, fold = key
    return f"seed {seed}" if fold is None else f"seed {seed}, fold {fold}"
