"""The table of the cheap rankings: one row each, and last the profile that they should foretell."""

import numpy as np
import pandas as pd
import scipy  # its parts load on first use

from subtuning.analysis import records as rec
from subtuning.analysis.statistics import LEVEL
from subtuning.analysis.tables import NAN, difference_cells
from subtuning.search import rankings
from subtuning.search.experiments import profile
from subtuning.search.scores import fold_scores, mean
from subtuning.search.study import Step, Study, candidates
from subtuning.tuning.tuning import Tuning

COLUMNS = ["ranking", "spearman", "ci_low", "ci_high", "kendall", "layer", "lost", "lost_ci_low", "lost_ci_high"]
COLUMNS += ["seconds", "profile_seconds", "metric", "precision"]
DRAWS = 2000


def table(study: Study, step: Step) -> pd.DataFrame:
    """One row a ranking, then `profile`; after the columns `COLUMNS` one for each layer, with its score.

    `spearman` and `kendall` compare a ranking's scores with the mean accuracies of the profile, over the layers of
    which no run diverged; the interval of `spearman` is a percentile bootstrap over layers. `layer` is the one that it
    would choose, `lost` the accuracy (0-1) that this costs against the profile's best, paired by fold. `seconds` are
    those of the epochs that the ranking reads. The scores of `profile` are its mean accuracies.
    """
    study.require(step.wanted(study).runs)
    folds, known = _folds(study), candidates(study.layers, study.how)
    means = {name: mean(folds[name]) for name in known if None not in folds[name]}
    measured = study.require(profile.step("profile", study.settings).wanted(study).runs)
    best = profile.best_layer(measured, study.layers, study.how)
    spent = sum(record["seconds"] for record in measured)
    rows = [_row(study, name, folds, means, best) | {"profile_seconds": spent} for name in rankings.RANKINGS]
    rows.append({"ranking": "profile", "layer": best, "seconds": spent, "profile_seconds": spent} | means)
    about = {"metric": rec.metric_of(measured), "precision": rec.precision_of(measured)}
    return pd.DataFrame(rows, columns=[*COLUMNS, *known]).assign(**about)


def _folds(study: Study) -> dict[str, list[float | None]]:
    """Layer -> its accuracy in each fold of the profile; of a race, in the folds in which all layers were trained."""
    measured, known = profile.measured(study), candidates(study.layers, study.how)
    found = {name: fold_scores(measured[Tuning((name,), study.how)]) for name in known}
    common = min(map(len, found.values()))
    return {name: scores[:common] for name, scores in found.items()}


def _row(study: Study, name: str, folds: dict, means: dict[str, float], best: str | None) -> dict:
    record = study.require([rankings.run_of(study, name)])[0]
    if record["status"] == "diverged":
        return {"ranking": name}
    scores = {layer: score for layer, score in (rankings.scores(study, name) or {}).items() if layer in folds}
    layer = max(scores, key=lambda one: scores[one])
    both = np.array([[scores[one], means[one]] for one in means])
    low, high = bootstrap(both)
    epochs = record["identity"]["recipe"]["epochs"]
    return {
        "ranking": name,
        "spearman": spearman(both),
        "ci_low": low,
        "ci_high": high,
        "kendall": float(scipy.stats.kendalltau(*both.T).statistic) if len(both) > 1 else NAN,
        "layer": layer,
        "seconds": record["seconds"] * (1 / epochs if rankings.RANKINGS[name].first else 1),
        **difference_cells("lost", "lost", *_pair(folds, best, layer), study.settings["profile.folds"]),
    } | scores


def _pair(folds: dict, best: str | None, layer: str) -> tuple[list[float] | None, list[float] | None]:
    return (folds.get(best), None if None in folds[layer] else folds[layer])


def spearman(both: np.ndarray) -> float:
    """The rank correlation of L x 2 values, NaN where either column has no two different ones."""
    ranks = scipy.stats.rankdata(both, axis=0)
    return float(np.corrcoef(ranks.T)[0, 1]) if len(both) > 1 and (np.ptp(both, axis=0) > 0).all() else NAN


def bootstrap(both: np.ndarray) -> tuple[float, float]:
    """The percentile interval of `spearman` over layers drawn with putting back (Efron & Tibshirani, 1993, ch. 13).

    Always the same draws; those in which all layers are alike are left out. NaN for fewer than 3 layers.
    """
    if len(both) < 3:
        return NAN, NAN
    draws = np.random.default_rng(0).integers(0, len(both), (DRAWS, len(both)))
    found = np.array([spearman(both[draw]) for draw in draws])
    found = found[~np.isnan(found)]
    return tuple(np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()) if len(found) else (NAN, NAN)
