"""The table of the profile: one row a layer."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from subtuning.analysis import records as rec
from subtuning.analysis.tables import SCORE, difference_cells, mean_of, score_cells
from subtuning.search.experiments.profile import ON_TEST
from subtuning.search.study import Step, Study, candidates
from subtuning.tuning.tuning import Tuning

COLUMNS = ["layer", *SCORE, "diff_linear", "diff_ci_low", "diff_ci_high", "parameters", "flops", "seconds", "precision"]


def table(study: Study, step: Step) -> pd.DataFrame:
    """The profile of a study, or that on the test set."""
    return profile_table(study.require(step.wanted(study).runs), study.layers, test_set=step.name == ON_TEST)


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
        table.append(
            {"layer": name, **score_cells(values, n, folds)}
            | difference_cells("diff_linear", "diff", values, None if name == "linear" else reference, folds)
            | {"parameters": sizes[name][0], "flops": sizes[name][1]}
            | {"seconds": mean_of(groups[name].values(), "seconds", values), "precision": rec.precision_of(records)}
        )
    return pd.DataFrame(table, columns=COLUMNS)


def _by_tuning(records: Sequence[rec.Record], names: Sequence[str]) -> dict[str, dict[rec.PairKey, rec.Record]]:
    grouped: dict[str, list[rec.Record]] = {name: [] for name in names}
    for record in records:
        name = str(Tuning.of_identity(record["identity"]))
        if name not in grouped:
            raise ValueError(f"the tuning {name!r} (run {record['id']}) is not part of a profile of these layers")
        grouped[name].append(record)
    return {name: rec.by_pair(found) for name, found in grouped.items()}
