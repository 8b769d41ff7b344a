"""`search.effort: fast` against full searches: the very steps of a search, played on the records of finished ones."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from subtuning.analysis.statistics import interval
from subtuning.runs.identity import Run, Split
from subtuning.search.answers import answers_of
from subtuning.search.experiments import greedy, profile
from subtuning.search.scores import fold_scores, mean, score_of
from subtuning.search.stopping import LEVEL, lead_p
from subtuning.search.study import Study, cv_splits
from subtuning.tuning.tuning import Tuning

NAN = float("nan")
TEST_SEEDS = 100
"""Seeds that are looked for on the test set."""

FIRST_SEEDS = 1000
"""Values of `search.first_seed` that are looked for."""


def searches(study: Study) -> Iterator[Study]:
    """The full searches of a study that begin with linear probing and whose profile is finished: one a first seed."""
    for first in range(0, FIRST_SEEDS, study.settings["search.seeds"]):
        settings = {**study.settings, "search.effort": "full", "search.first_seed": first}
        found = replace(study, settings=settings, kept={})
        if study.records(profile.step("profile", settings).wanted(found).runs):
            yield found


def choices(full: Study) -> list[dict[str, Any]]:
    """What a finished search and a fast one choose: a row for the profile, and for each greedy round after the first.

    A round is there while both searches have the same layers before it; of the first, the runs are the profile's.

    Returns:
        `candidates`; `full`, `fast`: what they choose; `clear`: whether the full one's choice leads the second best
        significantly (McNemar, one-sided, 5 %); `worse`: whether it so leads the fast one's; `lost`: how much lower the
        fast one's choice scores on all folds (0-1), which the luck of the full one's choice flatters; `lost_test`: the
        same on the test set, over the seeds that both were trained with, NaN where there are none; of both, `lanes`
        (lane-epochs) and `seconds` of all runs that this choice was made of.
    """
    fast = replace(full, settings={**full.settings, "search.effort": "fast"}, kept={})
    rows = [_of_profile(full, fast)]
    for number in range(2, full.settings["greedy.max_rounds"] + 1):
        both = [greedy.finished(each, "forward", number) for each in (full, fast)]
        if any(len(rounds) < number for rounds in both) or len({rounds[-1]["base"] for rounds in both}) > 1:
            break
        if both[0][-2]["stopped"]:
            break
        rows.append(_of_round(full, fast, number, both))
    task, backbone = full.base.names
    about = {"task": task, "backbone": backbone, "first_seed": full.settings["search.first_seed"]}
    return [about | row for row in rows]


def _of_profile(full: Study, fast: Study) -> dict[str, Any]:
    asked = [profile.step("profile", each.settings).wanted(each).runs for each in (full, fast)]
    best = [
        Tuning((profile.best_layer(each.require(runs), each.layers, each.how) or "",), each.how)
        for each, runs in zip((full, fast), asked, strict=True)
    ]
    rivals = [Tuning((name,), full.how) for name in full.candidates]
    splits = cv_splits(full.settings["profile.folds"])
    return {"step": "profile"} | _compared(full, splits, rivals, best, asked)


def _of_round(full: Study, fast: Study, number: int, both: Sequence[list[dict[str, Any]]]) -> dict[str, Any]:
    asked = [greedy.wanted(each, "forward", number).runs for each in (full, fast)]
    rounds = [found[-1] for found in both]
    tried = [{c["layer"]: Tuning.parse(c["tuning"], full.names) for c in this["candidates"]} for this in rounds]
    best = [own[this["choice"]] for own, this in zip(tried, rounds, strict=True)]
    return {"step": f"round {number}"} | _compared(
        full, greedy.splits(full.settings), list(tried[0].values()), best, asked
    )


def _compared(
    study: Study, splits: list[Split], rivals: list[Tuning], best: list[Tuning], asked: list[list[Run]]
) -> dict[str, Any]:
    seeds = study.settings["search.seeds"]
    records = {tuning: study.require(study.runs([tuning], splits, seeds)) for tuning in rivals}
    scores = {tuning: mean(fold_scores(found)) for tuning, found in records.items()}
    second = max((tuning for tuning in rivals if tuning != best[0]), key=scores.__getitem__)
    row = {"candidates": len(rivals), "full": str(best[0]), "fast": str(best[1]), "same": best[0] == best[1]}
    row |= {"clear": _leads(records[best[0]], records[second])}
    row |= {"worse": not row["same"] and _leads(records[best[0]], records[best[1]])}
    row |= {"lost": scores[best[0]] - scores[best[1]], "lost_test": _lost_on_test(study, best)}
    for name, runs in zip(("full", "fast"), asked, strict=True):
        row[f"lanes_{name}"] = sum(run.recipe.epochs for run in runs)
        row[f"seconds_{name}"] = sum(record["seconds"] for record in study.require(runs))
    return row


def _leads(first: Sequence[dict[str, Any]], second: Sequence[dict[str, Any]]) -> bool:
    one, other = answers_of(first), answers_of(second)
    return one is not None and other is not None and lead_p(other, one[None], 0) < LEVEL


def _lost_on_test(study: Study, best: list[Tuning]) -> float:
    if best[0] == best[1]:
        return 0.0
    study = replace(study, settings={**study.settings, "search.first_seed": 0})  # whatever the search's seeds were
    pairs = zip(*(study.runs([tuning], [Split("test")], TEST_SEEDS) for tuning in best), strict=True)
    found = [study.records(list(pair)) for pair in pairs]
    lost = [score_of(pair[0]) - score_of(pair[1]) for pair in found if pair and all(own["metrics"] for own in pair)]
    return float(np.mean(lost)) if lost else NAN


def summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for the profiles, for the later rounds and for all: shares of `lanes` and `seconds`, of equal choices, and
    in points of accuracy what is lost, with 95 % intervals over choices (on the test set only if that is known of every
    choice that differs)."""
    kinds = {
        "profile": [row for row in rows if row["step"] == "profile"],
        "later rounds": [row for row in rows if row["step"] != "profile"],
        "all": list(rows),
    }
    return [{"choice": kind} | _summary(own) for kind, own in kinds.items() if own]


def _summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    clear = [row["same"] for row in rows if row["clear"]]
    found: dict[str, Any] = {"n": len(rows)}
    for what in ("lanes", "seconds"):
        found[f"{what} %"] = _percent(
            sum(row[f"{what}_fast"] for row in rows) / sum(row[f"{what}_full"] for row in rows)
        )
    found |= {"same %": _percent(np.mean([row["same"] for row in rows])), "clear": len(clear)}
    found |= {"same if clear %": _percent(np.mean(clear)) if clear else NAN}
    found |= {"worse %": _percent(np.mean([row["worse"] for row in rows]))}
    for key, words in (("lost", "lost, cross-validation"), ("lost_test", "lost, test")):
        values = [100 * row[key] for row in rows]
        unknown = sum(map(np.isnan, values))  # of other choices alone, so that what is known is too good
        own = None if unknown else interval(values, None)
        found[words] = f"{own.mean:.2f} [{own.low:.2f}, {own.high:.2f}]" if own else f"not known of {unknown}"
    return found


def _percent(share: float) -> float:
    return round(100 * float(share), 1)
