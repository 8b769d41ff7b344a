"""Run records -> the tables of one task and backbone: profile, greedy path, evaluation.

Accuracies are fractions (0-1). A row whose runs did not all finish says so by its `n` and has empty (NaN) number cells.
Intervals and p values are those of `subtuning.analysis.statistics`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from subtuning.analysis import records as rec
from subtuning.analysis.statistics import Interval, interval, paired_interval, sign_flip_p
from subtuning.errors import UserError, listed
from subtuning.search.profile import candidates
from subtuning.tuning.tuning import FULL, Tuning

SCORE = ["mean", "std", "n", "ci_low", "ci_high"]
PROFILE_COLUMNS = ["layer", *SCORE, "diff_linear", "diff_ci_low", "diff_ci_high", "parameters", "flops", "seconds"]
PROFILE_COLUMNS += ["precision"]
GREEDY_COLUMNS = ["direction", "round", "layer", *SCORE, "diff_previous", "diff_ci_low", "diff_ci_high"]
GREEDY_COLUMNS += ["chosen", "kept", "precision"]
EVALUATION_COLUMNS = ["method", "layers", *SCORE]
EVALUATION_COLUMNS += ["diff_full", "diff_full_ci_low", "diff_full_ci_high", "p_full"]
EVALUATION_COLUMNS += ["diff_linear", "diff_linear_ci_low", "diff_linear_ci_high", "p_linear"]
EVALUATION_COLUMNS += ["trained_parameters", "trained_percent", "seconds", "lane_memory_mb"]
EVALUATION_COLUMNS += ["precision", "device"]

NAN = float("nan")


def profile_table(records: Sequence[rec.Record], layers: Mapping[str, Any], test_set: bool = False) -> pd.DataFrame:
    """The finetuning profile (Kaplun et al., arXiv 2302.06354): one row a layer that was trained alone.

    `records` hold every profile layer (stem and layers of `layers`, the content of layers.json), ``linear`` and
    ``full``, on the same folds (cross-validation) or seeds; rows come in network order, then ``linear`` and ``full``.

    `parameters` and `flops` (one forward pass of one image) are those of the layer itself, without the head: 0 for
    ``linear``, the whole backbone for ``full``. `seconds` is the mean training time of a run. `diff_linear` is paired
    by fold or seed.

    Test records are refused unless `test_set` says that this is the test-set profile, which takes part in no selection.
    Raises `UserError` that names missing runs, `ValueError` for records that do not belong into one profile.
    """
    split, folds = rec.common_split(records)
    if (split == "test") != test_set:
        raise ValueError(f"a profile with test_set={test_set} cannot hold records of split {split!r}")
    rows = [layer for layer in layers["layers"] if layer["name"] in candidates(layers)]
    names = [layer["name"] for layer in rows] + ["linear", "full"]
    groups = _by_tuning(records, names)
    expected = rec.expected_pairs(records, folds)
    rec.require_complete(groups, expected, f"the profile of {rec.setting(records)}")

    sizes = {layer["name"]: (layer["parameters"], layer["flops"]) for layer in rows}
    sizes |= {"linear": (0, 0), "full": (layers["total_parameters"], layers["total_flops"])}
    reference, _ = rec.accuracies(groups["linear"], expected)
    table = []
    for name in names:
        values, n = rec.accuracies(groups[name], expected)
        difference = _paired(values, None if name == "linear" else reference, folds)
        table.append(
            {"layer": name, **_score(values, n, folds)}
            | {"diff_linear": difference.mean, "diff_ci_low": difference.low, "diff_ci_high": difference.high}
            | {"parameters": sizes[name][0], "flops": sizes[name][1]}
            | {"seconds": _mean(groups[name].values(), "seconds", values), "precision": rec.precision_of(records)}
        )
    return pd.DataFrame(table, columns=PROFILE_COLUMNS)


def greedy_table(rounds: Sequence[Mapping[str, Any]], direction: str | None = None) -> pd.DataFrame:
    """Every candidate of every round of Greedy-SubTuning (arXiv 2302.06354), one row each.

    A round is ``{"round", "direction": "forward" | "backward", "base", "base_scores", "candidates", "choice",
    "tuning", "stopped"}``; a candidate ``{"layer", "tuning", "scores"}`` with one score a fold, in the order of
    `base_scores`, or null where a run diverged; one that was ``"dropped"`` from a race has fewer scores and, as it
    has no mean over all folds, none in the table. Rounds that only copy a stopped search have neither candidates nor
    rows.

    `diff_previous` is the paired difference to the tuning before the round. `chosen` marks the round's best candidate;
    `kept` tells whether the round belongs to the final path: it and all rounds before it improved by more than epsilon
    (`stopped` is false), and its direction is `direction`, the one that won, if that is given.

    A round may name its ``"split"``: ``"cv"`` (assumed), or ``"val"``, whose scores are seeds. Raises `ValueError` for
    ``"test"``: selection never sees test data.
    """
    table, stopped = [], set()
    for number in sorted(rounds, key=lambda item: (item["direction"], item["round"])):
        split = number.get("split", "cv")
        if split not in {"cv", "val"}:
            raise ValueError(f"round {number['round']} was scored on split {split!r}; greedy may use cv or val only")
        if number["stopped"]:
            stopped.add(number["direction"])
        kept = number["direction"] not in stopped and direction in {None, number["direction"]}
        folds = len(number["base_scores"]) if split == "cv" else None
        for candidate in number["candidates"]:
            scores = candidate["scores"]
            if candidate.get("dropped"):
                scores = [*scores, *[None] * (len(number["base_scores"]) - len(scores))]
            values, n = _finished(scores, len(number["base_scores"]))
            base, _ = _finished(number["base_scores"], len(number["base_scores"]))
            difference = _paired(values, base, folds)
            table.append(
                {"direction": number["direction"], "round": number["round"], "layer": candidate["layer"]}
                | _score(values, n, folds)
                | {"diff_previous": difference.mean, "diff_ci_low": difference.low, "diff_ci_high": difference.high}
                | {"chosen": candidate["layer"] == number["choice"], "kept": kept}
                | {"precision": number["precision"]}
            )
    return pd.DataFrame(table, columns=GREEDY_COLUMNS)


def evaluation_table(records_by_method: Mapping[str, Sequence[rec.Record]], layers: Mapping[str, Any]) -> pd.DataFrame:
    """The comparison on the test set: one row a method, in the given order; ``linear`` and ``full`` must be among them.

    Every method has one record a seed, all of split ``test`` and all on the same seeds. Differences to ``full`` and to
    ``linear`` are paired by seed, with a plain t interval and the exact sign-flip p value (not corrected for the number
    of methods). `layers` (the content of layers.json) gives the network order. `trained_parameters` count the head and
    `trained_percent` is their share of backbone and head; `seconds` is a mean; `lane_memory_mb` (10^6 bytes) is
    what the memory plan counts for a run of this method alone (see `training.memory.Need.lanes`). `device` names all
    devices that trained runs of the method.

    Raises `UserError` that names missing runs, `ValueError` for records of another split, task or backbone.
    """
    everything = [record for records in records_by_method.values() for record in records]
    split, _ = rec.common_split(everything)
    if split != "test":
        raise ValueError(f"the evaluation takes records of split 'test' only, not {split!r}")
    where = f"the evaluation of {rec.setting(everything)}"
    if absent := [name for name in ("linear", "full") if not records_by_method.get(name)]:
        raise UserError(f"{where} has no run of {listed(absent)}, to which every method is compared; train it first")
    groups = {method: rec.by_pair(records) for method, records in records_by_method.items()}
    expected = rec.expected_pairs(everything, None)
    rec.require_complete(groups, expected, where)

    order = [layer["name"] for layer in layers["layers"]]
    references = {name: rec.accuracies(groups[name], expected)[0] for name in ("full", "linear")}
    table = []
    for method, found in groups.items():
        values, n = rec.accuracies(found, expected)
        row = {"method": method, "layers": _one_tuning(method, found.values(), order), **_score(values, n, None)}
        for name, reference in references.items():
            row |= _comparison(name, values, None if name == method else reference)
        table.append(row | _cost(list(found.values()), values))
    return pd.DataFrame(table, columns=EVALUATION_COLUMNS)


def _by_tuning(records: Sequence[rec.Record], names: Sequence[str]) -> dict[str, dict[rec.PairKey, rec.Record]]:
    grouped: dict[str, list[rec.Record]] = {name: [] for name in names}
    for record in records:
        name = str(Tuning.of_identity(record["identity"]))
        if name not in grouped:
            raise ValueError(f"the tuning {name!r} (run {record['id']}) is not part of a profile of these layers")
        grouped[name].append(record)
    return {name: rec.by_pair(found) for name, found in grouped.items()}


def _finished(scores: Sequence[float | None] | None, n: int) -> tuple[list[float] | None, int]:
    finished = [score for score in scores or [] if score is not None and np.isfinite(score)]
    if scores is not None and len(scores) != n:
        raise ValueError(f"{len(scores)} scores cannot be paired with {n}")
    return (finished if finished and len(finished) == n else None), len(finished)


def _score(values: list[float] | None, n: int, folds: int | None) -> dict[str, float]:
    found = Interval(NAN, NAN, n, NAN, NAN) if values is None else interval(values, folds)
    return {"mean": found.mean, "std": found.std, "n": n, "ci_low": found.low, "ci_high": found.high}


def _paired(values: list[float] | None, reference: list[float] | None, folds: int | None) -> Interval:
    if values is None or reference is None:
        return Interval(NAN, NAN, 0, NAN, NAN)
    return paired_interval(values, reference, folds)


def _comparison(name: str, values: list[float] | None, reference: list[float] | None) -> dict[str, float]:
    difference = _paired(values, reference, None)
    p = NAN if values is None or reference is None else sign_flip_p(values, reference)
    return {
        f"diff_{name}": difference.mean,
        f"diff_{name}_ci_low": difference.low,
        f"diff_{name}_ci_high": difference.high,
        f"p_{name}": p,
    }


def _cost(found: Sequence[rec.Record], values: list[float] | None) -> dict[str, float]:
    trained, total = found[0]["trainable_parameters"], found[0]["total_parameters"]
    memory = [record.get("lane_memory_bytes") for record in found]
    return {
        "trained_parameters": trained,
        "trained_percent": 100 * trained / total,
        "seconds": _mean(found, "seconds", values),
        "lane_memory_mb": NAN if None in memory else max(memory) / 1e6,
        "precision": rec.precision_of(found),
        "device": rec.devices_of(found),
    }


def _mean(found, key: str, values: list[float] | None) -> float:
    numbers = [record[key] for record in found]
    return NAN if values is None or None in numbers else float(np.mean(numbers))


def _one_tuning(method: str, found: Iterable[rec.Record], order: Sequence[str]) -> str:
    tunings = {Tuning.of_identity(record["identity"]) for record in found}
    if len(tunings) != 1:
        raise ValueError(f"the method {method!r} has runs of several tunings: {listed(sorted(map(str, tunings)))}")
    (tuning,) = tunings
    if tuning.layers == FULL:
        return str(tuning)
    if unknown := set(tuning.layers) - set(order):
        raise ValueError(f"the method {method!r} trains {listed(sorted(unknown))}, which the backbone does not have")
    return str(tuning.with_layers(tuning.layers, order))
