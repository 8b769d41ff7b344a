"""The table of the greedy search: one row a candidate of a round."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from subtuning.analysis.tables import NAN, SCORE, difference_cells, score_cells
from subtuning.search.experiments import greedy
from subtuning.search.study import Step, Study

COLUMNS = ["direction", "round", "layer", *SCORE, "diff_previous", "diff_ci_low", "diff_ci_high"]
COLUMNS += ["dropped", "chosen", "kept", "p", "corrected", "rule", "metric", "precision"]


def table(study: Study, step: Step) -> pd.DataFrame:
    """All candidates of all rounds, and which rounds are kept."""
    found, selected = greedy.decided(study), greedy.conclude(study)
    rounds = [this for chain in found.values() for this in chain]
    return greedy_table(rounds, selected["direction"], selected["corrected"])


def greedy_table(
    rounds: Sequence[Mapping[str, Any]], direction: str | None = None, corrected: float | None = None
) -> pd.DataFrame:
    """Every candidate of every round of Greedy-SubTuning (arXiv 2302.06354), one row each.

    A round is ``{"round", "direction": "forward" | "backward", "base", "base_scores", "candidates", "choice",
    "tuning", "stopped"}``; a candidate ``{"layer", "tuning", "scores"}`` with one score a fold, in the order of
    `base_scores`, or null where a run diverged; one that was ``"dropped"`` from a race has fewer scores and, as it
    has no mean over all folds, none in the table, which says so in `dropped`. Rounds that only copy a stopped search
    have neither candidates nor rows.

    `diff_previous` is the paired difference to the tuning before the round. `chosen` marks the round's best candidate;
    `kept` tells whether the round belongs to the final path: neither it nor a round before it is ``"stopped"``, and its
    direction is `direction`, the one that won, if that is given. `rule` names the rule that decided so. `p`, beside the
    chosen candidate, is that rule's for the subset before the round (see `search.stopping.p_values`), and `corrected`,
    beside the last one kept, its mean less the luck of having been chosen (see `search.selection.without_luck`).
    `penalty` is there only with `greedy.cost_weight`: what the mean is lowered by when candidates are compared.

    A round may name its ``"split"``: ``"cv"`` (assumed), or ``"val"``, whose scores are seeds. Raises `ValueError` for
    ``"test"``: selection never sees test data.
    """
    table: list[dict[str, Any]] = []
    stopped, last = set(), None
    for number in sorted(rounds, key=lambda item: (item["direction"], item["round"])):
        split = number.get("split", "cv")
        if split not in {"cv", "val"}:
            raise ValueError(f"round {number['round']} was scored on split {split!r}; greedy may use cv or val only")
        if number["stopped"]:
            stopped.add(number["direction"])
        kept = number["direction"] not in stopped and direction in {None, number["direction"]}
        for candidate in number["candidates"]:
            last = len(table) if candidate["layer"] == number["choice"] and kept else last
            table.append(_row(number, candidate, split) | {"kept": kept})
    if last is not None and corrected is not None:
        table[last]["corrected"] = corrected
    weighed = any("penalty" in candidate for number in rounds for candidate in number["candidates"])
    return pd.DataFrame(table, columns=[*COLUMNS, *["penalty"] * weighed])


def _row(number: Mapping[str, Any], candidate: Mapping[str, Any], split: str) -> dict[str, Any]:
    """The cells of a candidate of a round, but whether the round is kept."""
    base_scores, scores = number["base_scores"], candidate["scores"]
    folds, metric = len(base_scores) if split == "cv" else None, number.get("metric", "accuracy")
    if candidate.get("dropped"):
        scores = [*scores, *[None] * (len(base_scores) - len(scores))]
    values, n = _finished(scores, len(base_scores))
    base, _ = _finished(base_scores, len(base_scores))
    chosen = candidate["layer"] == number["choice"]
    return (
        {"direction": number["direction"], "round": number["round"], "layer": candidate["layer"]}
        | score_cells(values, n, folds, metric)
        | difference_cells("diff_previous", "diff", values, base, folds)
        | {"dropped": candidate.get("dropped", False), "penalty": candidate.get("penalty", NAN)}
        | {"chosen": chosen, "p": number.get("p", NAN) if chosen else NAN, "corrected": NAN}
        | {"rule": number.get("rule", "epsilon"), "metric": metric, "precision": number["precision"]}
    )


def _finished(scores: Sequence[float | None] | None, n: int) -> tuple[list[float] | None, int]:
    finished = [score for score in scores or [] if score is not None and np.isfinite(score)]
    if scores is not None and len(scores) != n:
        raise ValueError(f"{len(scores)} scores cannot be paired with {n}")
    return (finished if finished and len(finished) == n else None), len(finished)
