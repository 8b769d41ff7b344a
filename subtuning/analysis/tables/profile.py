"""The table of the profile: one row a layer."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from subtuning.analysis import records as rec
from subtuning.analysis.tables import NAN, SCORE, difference_cells, mean_of, score_cells
from subtuning.search.answers import answers_of, best_of
from subtuning.search.effort import is_fast
from subtuning.search.experiments.profile import ON_TEST
from subtuning.search.scores import DIGITS, fold_scores
from subtuning.search.study import Step, Study, candidates
from subtuning.tuning.tuning import FULL, WEIGHTS, How, Tuning

COLUMNS = ["layer", *SCORE, "diff_linear", "diff_ci_low", "diff_ci_high", "p_best", "corrected", "dropped"]
COLUMNS += ["parameters", "flops", "seconds", "metric", "precision"]


def table(study: Study, step: Step) -> pd.DataFrame:
    """The profile of a study, or that on the test set."""
    test_set = step.name == ON_TEST
    raced = not test_set and is_fast(study.settings)
    return profile_table(study.require(step.wanted(study).runs), study.layers, test_set, raced)


def profile_table(
    records: Sequence[rec.Record], layers: Mapping[str, Any], test_set: bool = False, raced: bool = False
) -> pd.DataFrame:
    """The finetuning profile (Kaplun et al., arXiv 2302.06354): one row a layer that was trained alone.

    `records` hold every profile layer (stem and layers of `layers`, the content of layers.json), ``linear`` and
    ``full``, on the same folds (cross-validation) or seeds; rows come in network order, then ``linear`` and ``full``.

    `parameters` and `flops` (one forward pass of one image) are those of the layer itself, without the head: 0 for
    ``linear``, the whole backbone for ``full``. Where layers are not trained by `weights` (`search.how`), `parameters`
    are those that are trained of it, and a column `how` says in which way, also of ``full``. `seconds` is the
    mean training time of a run. `diff_linear` is paired by fold or seed.

    In a cross-validation a fold counts once, with the mean over its seeds. `p_best` is the probability that the layer
    is the best one, by a bootstrap over images, and `corrected`, beside the best layer, its mean less the luck of
    having been chosen (see `search.answers.best_of`); both are NaN where any run kept no answers.

    Where layers `raced` (`search.effort`), one that was `dropped` has fewer folds, `n`. It has no mean over all folds,
    so none is in the table, and no chance to be the best, but `diff_linear` over the folds that it has.

    Test records are refused unless `test_set` says that this is the test-set profile, which takes part in no selection.
    Raises `UserError` that names missing runs, `ValueError` for records that do not belong into one profile.
    """
    split, folds = rec.common_split(records)
    if (split == "test") != test_set:
        raise ValueError(f"a profile with test_set={test_set} cannot hold records of split {split!r}")
    how = _how(records)
    rows = [layer for layer in layers["layers"] if layer["name"] in candidates(layers, how)]
    names = [*(layer["name"] for layer in rows), "linear", "full"]
    groups = _by_tuning(records, names, how)
    expected = rec.expected_pairs(records, folds)
    asked = {name: _asked(groups[name], expected) if raced else expected for name in names}
    for name, found in groups.items():
        rec.require_complete({name: found}, asked[name], f"the profile of {rec.setting(records)}")

    sizes, metric = _sizes(layers, rows, groups, how), rec.metric_of(records)
    scores = {name: _scores(found, asked[name], split) for name, found in groups.items()}
    reference, _ = scores["linear"]
    table = []
    for name in names:
        values, n = scores[name]
        dropped = values is not None and len(asked[name]) < len(expected)
        against = None if name == "linear" or reference is None else reference[: n if dropped else None]
        table.append(
            {"layer": name, **score_cells(None if dropped else values, n, folds, metric), "metric": metric}
            | difference_cells("diff_linear", "diff", values, against, folds)
            | {"p_best": NAN, "corrected": NAN, "dropped": dropped}
            | {"parameters": sizes[name][0], "flops": sizes[name][1]}
            | {"seconds": mean_of(groups[name].values(), "seconds", values), "precision": rec.precision_of(records)}
        )
    found = pd.DataFrame(table, columns=COLUMNS)
    found = found if test_set else _with_luck(found, groups, sizes)
    if how == WEIGHTS:
        return found
    return found.assign(how=[{"linear": "", "full": str(WEIGHTS)}.get(name, str(how)) for name in names])


def _asked(found: Mapping[rec.PairKey, rec.Record], expected: Sequence[rec.PairKey]) -> list[rec.PairKey]:
    """The pairs that a race asked a tuning for: all up to its last fold, and at least the first."""
    last = max((fold or 0 for _, fold in found), default=0)
    return [key for key in expected if (key[1] or 0) <= last]


def _how(records: Sequence[rec.Record]) -> How:
    """In which way the layers are trained. Raises `ValueError` for several."""
    tunings = {Tuning.of_identity(record["identity"]) for record in records}
    found = {tuning.how for tuning in tunings if tuning.layers not in ((), FULL)}
    if len(found) > 1:
        raise ValueError(f"the layers of one profile are trained in several ways: {', '.join(sorted(map(str, found)))}")
    return found.pop() if found else WEIGHTS


def _sizes(
    layers: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    groups: Mapping[str, Mapping[rec.PairKey, rec.Record]],
    how: How,
) -> dict[str, tuple[int, int]]:
    """Parameters and FLOPs of each row of the profile; `rows` are those of `layers` that have one."""
    sizes = {"linear": (0, 0), "full": (layers["total_parameters"], layers["total_flops"])}
    for row in rows:
        sizes[row["name"]] = (row["parameters"] if how == WEIGHTS else _trained(groups, row["name"]), row["flops"])
    return sizes


def _trained(groups: Mapping[str, Mapping[rec.PairKey, rec.Record]], name: str) -> int:
    """Trained parameters of a layer, without the head."""
    alone, head = (next(iter(groups[each].values()))["trainable_parameters"] for each in (name, "linear"))
    return alone - head


def _scores(
    found: Mapping[rec.PairKey, rec.Record], expected: Sequence[rec.PairKey], split: str
) -> tuple[list[float] | None, int]:
    """As `rec.scores`, but of a cross-validation one value a fold: its seeds share images, so they add no n."""
    if split != "cv":
        return rec.scores(found, expected)
    scores = fold_scores(list(found.values()))
    known = [score for score in scores if score is not None]
    return (known if len(known) == len(scores) else None), len(known)


def _with_luck(
    table: pd.DataFrame, groups: Mapping[str, Mapping[rec.PairKey, rec.Record]], sizes: Mapping[str, tuple[int, int]]
) -> pd.DataFrame:
    """Fill in `p_best` and `corrected`; of equally good layers the one with fewer parameters is the best."""
    layers = [name for name in table["layer"][table["mean"].notna()] if name not in ("linear", "full")]
    layers.sort(key=lambda name: sizes[name][0])
    answers = [answers_of(list(groups[name].values())) for name in layers]
    known = [row for row in answers if row is not None]
    if not layers or len(known) < len(layers):
        return table
    found, rows = best_of(np.stack(known)), table.set_index("layer")
    rows.loc[layers, "p_best"] = found.chances
    rows.loc[max(layers, key=lambda name: round(rows.loc[name, "mean"], DIGITS)), "corrected"] = found.corrected
    return rows.reset_index()[COLUMNS]


def _by_tuning(
    records: Sequence[rec.Record], names: Sequence[str], how: How
) -> dict[str, dict[rec.PairKey, rec.Record]]:
    grouped: dict[str, list[rec.Record]] = {name: [] for name in names}
    known = {name if name in ("linear", "full") else str(Tuning((name,), how)): name for name in names}
    for record in records:
        name = rec.layers_of(record)
        if name not in known:
            raise ValueError(f"the tuning {name!r} (run {record['id']}) is not part of a profile of these layers")
        grouped[known[name]].append(record)
    return {name: rec.by_pair(found) for name, found in grouped.items()}
