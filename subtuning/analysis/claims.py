"""What the stored answers of a comparison's runs add to its table: intervals over seeds and images, and who is best."""

from collections.abc import Mapping, Sequence

import numpy as np

from subtuning.analysis.records import Record
from subtuning.analysis.two_way import NAN, TwoWay, difference_interval, holm, score_interval
from subtuning.runs.predictions import unpack

COLUMNS = ["images", "two_way_low", "two_way_high"]
COLUMNS += ["diff_full_two_way_low", "diff_full_two_way_high", "p_full_two_way"]
COLUMNS += ["diff_linear_two_way_low", "diff_linear_two_way_high", "p_linear_two_way", "p_holm", "p_holm_best"]


def hits_of(found: Sequence[Record], labels: np.ndarray | None) -> np.ndarray | None:
    """The right answers (True) of runs on the N labelled images, S x N; of another metric than accuracy, what each
    image adds to it (see `search.metrics`). Of several labels all must be right.

    None where a run diverged or is of a version that kept no predictions, or where the labels are not at hand.
    """
    if labels is None or not found or not all(record.get("predictions") for record in found):
        return None
    if all("answers" in record for record in found):
        return np.stack([record["answers"] for record in found])
    right = np.stack([unpack(record["predictions"]) for record in found]) == labels
    return right.all(2) if labels.ndim == 2 else right


def two_way_cells(hits: Mapping[str, np.ndarray | None], least: float = 0) -> dict[str, dict[str, float]]:
    """The cells `COLUMNS` of each method; those that cannot be known are NaN.

    `images` counts the test images. `p_full_two_way` tests the difference to ``full`` on new seeds and new images, and
    `p_linear_two_way` that to ``linear``; `p_holm` is the first, corrected for the number of methods in the table.
    `p_holm_best` tests the difference to the method with the highest score (whose own is NaN), corrected likewise.
    `least` is what the metric is at least.
    """
    known = {method: found for method, found in hits.items() if found is not None}
    cells = {method: dict.fromkeys(COLUMNS, NAN) for method in hits}
    best = max(known, key=lambda method: known[method].mean(), default="")
    to_full, to_best = (_differences(known, name) for name in ("full", best))
    for column, found in (("p_holm", to_full), ("p_holm_best", to_best)):
        for method, p in zip(found, holm([difference.p for difference in found.values()]), strict=True):
            cells[method][column] = p
    for method, own in ((method, score_interval(right, least=least)) for method, right in known.items()):
        cells[method] |= {"images": own.images, "two_way_low": own.low, "two_way_high": own.high}
    for name, found in (("full", to_full), ("linear", _differences(known, "linear"))):
        for method, difference in found.items():
            ends = {f"diff_{name}_two_way_low": difference.low, f"diff_{name}_two_way_high": difference.high}
            cells[method] |= ends | {f"p_{name}_two_way": difference.p}
    return cells


def _differences(hits: Mapping[str, np.ndarray], name: str) -> dict[str, TwoWay]:
    """Each other method's difference to the method of this name."""
    others = {method: found for method, found in hits.items() if method != name and name in hits}
    return {method: difference_interval(found, hits[name]) for method, found in others.items()}
