"""The table of the comparison on the test set: one row a method."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from subtuning.analysis import claims, metrics
from subtuning.analysis import records as rec
from subtuning.analysis.statistics import sign_flip_p
from subtuning.analysis.tables import NAN, SCORE, difference_cells, mean_of, score_cells
from subtuning.analysis.tables.tune import recipe_words
from subtuning.errors import UserError, listed
from subtuning.runs import Run
from subtuning.search.costs import run_flops
from subtuning.search.experiments import tune
from subtuning.search.experiments.evaluation import runs_of
from subtuning.search.methods import methods
from subtuning.search.metrics import LEAST
from subtuning.search.study import Step, Study
from subtuning.tuning.tuning import FULL, Tuning

COSTS = ["search_runs", "search_seconds", "search_flops", "train_flops"]
COLUMNS = ["method", "layers", *SCORE]
COLUMNS += ["diff_full", "diff_full_ci_low", "diff_full_ci_high", "p_full"]
COLUMNS += ["diff_linear", "diff_linear_ci_low", "diff_linear_ci_high", "p_linear"]
COLUMNS += [*claims.COLUMNS, *metrics.COLUMNS]
COLUMNS += ["lr", "recipe", "at_edge", "trained_parameters", "trained_percent", "seconds", *COSTS]
COLUMNS += ["lane_memory_mb", "metric", "precision", "device"]


def table(study: Study, step: Step) -> pd.DataFrame:
    """The comparison of a study's methods."""
    study.require(step.wanted(study).runs)
    runs = {name: runs_of(study, name) or [] for name in methods(study.settings)}
    found = {name: study.require(own) for name, own in runs.items()}
    labels = study.task.part("test")[1] if study.task else None
    frame = evaluation_table(found, study.layers, labels, study.probabilities)
    beside = [_recipe_cells(study, name) | _search_cells(study, name, own[0]) for name, own in runs.items()]
    return frame.assign(**pd.DataFrame(beside, index=frame.index))


def _recipe_cells(study: Study, name: str) -> dict[str, Any]:
    """How a method was trained, and whether a better rate may lie beyond those that were tried."""
    point, grid = tune.chosen(study, name), tune.tuned(study, name) if tune.names(study.settings) else None
    changes = point.changes if point else ()
    rate = dict(changes).get("lr", study.base.recipe.lr)
    return {"lr": rate, "recipe": recipe_words(changes), "at_edge": grid.edge if grid else False}


def _search_cells(study: Study, name: str, run: Run) -> dict[str, float]:
    """What a method costs: all cross-validated runs that its layers and its recipe were chosen from, their seconds and
    FLOPs (see `search.costs`), and the FLOPs of one of its own runs."""
    searched = tune.searched(study, name) or {}
    assert study.counts is not None  # a table is made from a pair on disk
    flops = {each: run_flops(each, study.layers, study.counts) for each in (*searched, run)}
    return {
        "search_runs": len(searched),
        "search_seconds": sum(record["seconds"] for record in searched.values()),
        "search_flops": sum(flops[each] for each in searched),
        "train_flops": flops[run],
    }


def evaluation_table(
    records_by_method: Mapping[str, Sequence[rec.Record]],
    layers: Mapping[str, Any],
    labels: np.ndarray | None = None,
    probabilities: Callable[[rec.Record], np.ndarray | None] = lambda record: None,
) -> pd.DataFrame:
    """The comparison on the test set: one row a method, in the given order; ``linear`` and ``full`` must be among them.

    Every method has one record a seed, all of split ``test`` and all on the same seeds. Differences to ``full`` and to
    ``linear`` are paired by seed, with a plain t interval and the exact sign-flip p value (not corrected for the number
    of methods). `labels` of the test images (N) add the cells of `claims.two_way_cells`, over seeds and images, and
    with the runs' `probabilities` those of `metrics.beside_accuracy`. `layers` (the content of layers.json) gives the
    network order. `trained_parameters` count the head and
    `trained_percent` is their share of backbone and head; `seconds` is a mean; `lane_memory_mb` (10^6 bytes) is
    what the memory plan counts for a run of this method alone (see `training.memory.Need.lanes`). `device` names all
    devices that trained runs of the method. What records do not tell (`lr`, `recipe`, `at_edge` and the columns of
    `COSTS`) is left empty here.

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
    references = {name: rec.scores(groups[name], expected)[0] for name in ("full", "linear")}
    hits = {name: claims.hits_of([found[key] for key in expected], labels) for name, found in groups.items()}
    metric = rec.metric_of(everything)
    beside, table = claims.two_way_cells(hits, LEAST.get(metric, 0)), []
    for method, found in groups.items():
        values, n = rec.scores(found, expected)
        row = {"method": method, "layers": _one_tuning(method, found.values(), order), "metric": metric}
        row |= score_cells(values, n, None, metric) | _difference_cells(method, values, references) | beside[method]
        row |= metrics.beside_accuracy([found[key] for key in expected], labels, probabilities)
        table.append(row | _cost(list(found.values()), values))
    return pd.DataFrame(table, columns=COLUMNS)


def _difference_cells(
    method: str, values: list[float] | None, references: Mapping[str, list[float] | None]
) -> dict[str, float]:
    """A method's differences to each reference, paired by seed; none to itself."""
    cells: dict[str, float] = {}
    for name, reference in references.items():
        other = None if name == method else reference
        cells |= difference_cells(f"diff_{name}", f"diff_{name}", values, other, None)
        cells[f"p_{name}"] = NAN if values is None or other is None else sign_flip_p(values, other)
    return cells


def _cost(found: Sequence[rec.Record], values: list[float] | None) -> dict[str, float]:
    trained, total = found[0]["trainable_parameters"], found[0]["total_parameters"]
    memory = [record.get("lane_memory_bytes") for record in found]
    return {
        "trained_parameters": trained,
        "trained_percent": 100 * trained / total,
        "seconds": mean_of(found, "seconds", values),
        "lane_memory_mb": NAN if None in memory else max(memory) / 1e6,
        "precision": rec.precision_of(found),
        "device": rec.devices_of(found),
    }


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
