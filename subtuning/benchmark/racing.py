"""Races against full searches: how often both choose the same, and how much training a race saves."""

from collections.abc import Iterator, Sequence
from typing import Any

from subtuning.search.experiments import greedy
from subtuning.search.racing import race
from subtuning.search.scores import fold_scores, mean
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning


def against_full(records: dict[str, Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """Play a race on the records of a full search.

    Args:
        records: layer -> its cross-validation records, of every fold and seed; nothing may be missing.

    Returns:
        full, raced: the layers chosen; full_score, raced_score: their mean accuracies over all folds; spent: the share
        of all trainings that the race needs.
    """
    ordered = {layer: _by_fold(found) for layer, found in records.items()}
    folds = len(next(iter(ordered.values())))
    found, alive = race(list(ordered), folds, lambda layers, fold: [ordered[layer][fold] for layer in layers])
    trained = sum(map(len, found.values()))
    scores = {layer: mean(fold_scores(found)) for layer, found in records.items()}
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


def _by_fold(records: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    folds = sorted({record["identity"]["fold"] for record in records})
    return [[record for record in records if record["identity"]["fold"] == fold] for fold in folds]


def races(study: Study) -> Iterator[dict[str, Any]]:
    """A race on every finished round of a full search that begins with linear probing: one row a round."""
    for this in greedy.finished(study, "forward", study.settings["greedy.max_rounds"]):
        records = {
            c["layer"]: study.require(
                study.runs(
                    [Tuning.parse(c["tuning"], study.names)],
                    greedy.splits(study.settings),
                    study.settings["search.seeds"],
                )
            )
            for c in this["candidates"]
        }
        finished = {layer: found for layer, found in records.items() if all(record["metrics"] for record in found)}
        if finished:
            task, backbone = study.base.names
            yield {"task": task, "backbone": backbone, "round": this["round"]} | against_full(finished)
