"""The table of the stability of the choice: one row a search."""

from itertools import combinations
from typing import Any

import pandas as pd

from subtuning.analysis import records as rec
from subtuning.analysis.tables import NAN
from subtuning.search.experiments import greedy, profile
from subtuning.search.experiments.stability import AS_CONFIGURED, variants
from subtuning.search.scores import mean
from subtuning.search.study import Step, Study

COLUMNS = ["variant", "layers", "score", "best_layer", "overlap", "same_best_layer"]


def table(study: Study, step: Step) -> pd.DataFrame:
    """One row a variant, the config's own first.

    `layers` are those that the search keeps, `score` their mean over the folds, `best_layer` the best single one.
    `overlap` with the choice of the config's own search is the number of layers in both over that in either (Jaccard; 1
    where neither has any), `gain_1`, `gain_2` ... what each round of the search added, kept or not; NaN after its end.
    """
    rows, own = [], None
    for name, variant in variants(study).items():
        row = _row(variant)
        own = own or row
        row["overlap"] = overlap(row["layers"], own["layers"])
        row["same_best_layer"] = row["best_layer"] == own["best_layer"]
        rows.append({"variant": name} | row)
    gains = sorted({key for row in rows for key in row if key.startswith("gain_")}, key=lambda key: int(key[5:]))
    return pd.DataFrame(rows, columns=[*COLUMNS, *gains, "metric", "precision"])


def _row(study: Study) -> dict[str, Any]:
    found = greedy.conclude(study)
    tried = [record for own in profile.measured(study).values() for record in own]
    row = {"layers": found["tuning"], "score": NAN if found["score"] is None else found["score"]}
    row |= {"best_layer": profile.best_layer(tried, study.layers, study.how)}
    for this in greedy.chains(study)[found["direction"]]:
        ended = not this["candidates"] or this["tuning"] == this["base"] or None in this["base_scores"]
        row[f"gain_{this['round']}"] = NAN if ended else mean(this["scores"]) - mean(this["base_scores"])
    return row | {"metric": rec.metric_of(tried), "precision": rec.precision_of(tried)}


def overlap(one: str, other: str) -> float:
    """The layers in both over the layers in either, of two printed tunings."""
    sets = [
        set() if text.startswith("linear") else set(text.partition(" with ")[0].split("+")) for text in (one, other)
    ]
    both, either = sets[0] & sets[1], sets[0] | sets[1]
    return len(both) / len(either) if either else 1.0


def agreement(rows: pd.DataFrame) -> tuple[float, float, int]:
    """Of searches that differ in their seeds alone: the mean overlap of two, the share of twos that choose exactly the
    same layers, and how many twos there are."""
    seeds = rows[(rows["variant"] == AS_CONFIGURED) | rows["variant"].str.startswith("seed ")]["layers"]
    twos = [overlap(*two) for two in combinations(seeds, 2)]
    if not twos:
        return NAN, NAN, 0
    return sum(twos) / len(twos), sum(value == 1 for value in twos) / len(twos), len(twos)
