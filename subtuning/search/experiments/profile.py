"""The finetuning profile: each layer trained alone (paper, section 3), beside linear probing and full fine-tuning."""

from collections.abc import Mapping, Sequence
from typing import Any

from subtuning.runs.identity import Split
from subtuning.search.effort import ask
from subtuning.search.scores import fold_scores, mean
from subtuning.search.study import Record, Settings, Step, Study, Wanted, candidates, cv_splits
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, WEIGHTS, How, Tuning

TRAINED_AND_SCORED = ("search.first_seed", "search.metric", "search.how")
READS = ("profile.folds", "profile.shards", "search.effort", "search.seeds", *TRAINED_AND_SCORED)

ON_TEST = "profile/test"
"""The paper's picture: the same on the test set, over seeds. No selection ever reads it."""


def names(settings: Settings) -> list[str]:
    """The steps that the config asks for."""
    return ["profile", *[ON_TEST] * bool(settings["profile.test_seeds"])]


def step(name: str, settings: Settings) -> Step:
    """The profile, or that on the test set."""
    if name == ON_TEST:
        rules = ("train_profile_test", "profile_test_table")
        reads = ("profile.test_seeds", *TRAINED_AND_SCORED)
        return Step(name, (), reads, rules, _on_test, shards="profile.shards")
    return Step(name, (), READS, ("train_profile", "profile_table"), _wanted, shards="profile.shards")


def _wanted(study: Study) -> Wanted:
    """In a race, linear probing and full fine-tuning are what layers are compared with, so they run in all folds."""
    splits = cv_splits(study.settings["profile.folds"])
    return ask(study, tunings(study.layers, study.how), [ONLY_HEAD, EVERYTHING], splits, "profile.shards")[0]


def _on_test(study: Study) -> Wanted:
    return Wanted(study.runs(tunings(study.layers, study.how), [Split("test")], study.settings["profile.test_seeds"]))


def tunings(layers: Mapping[str, Any], how: How = WEIGHTS) -> list[Tuning]:
    """What the profile trains: nothing (linear probing), each layer alone, all weights of everything."""
    return [ONLY_HEAD, *(Tuning((name,), how) for name in candidates(layers, how)), EVERYTHING]


def measured(study: Study) -> dict[Tuning, list[Record]]:
    """The records of each tuning in the folds that it was trained in. Raises `UserError` if any is missing."""
    found: dict[Tuning, list[Record]] = {}
    runs = _wanted(study).runs
    for run, record in zip(runs, study.require(runs), strict=True):
        found.setdefault(run.tuning, []).append(record)
    return found


def best_layer(records: Sequence[Record], layers: Mapping[str, Any], how: How = WEIGHTS) -> str | None:
    """The single layer with the highest mean score over the folds; of equals, the one with fewer parameters.

    Args:
        records: the profile's cross-validation records; a layer that was dropped from a race, which has fewer, is not
            the best.

    Returns:
        None when every layer diverged.
    """
    parameters = {row["name"]: row["parameters"] for row in layers["layers"]}
    folds = len({record["identity"]["fold"] for record in records})
    means = {}
    for name in candidates(layers, how):
        own = Tuning((name,), how)
        scores = fold_scores([r for r in records if Tuning.of_identity(r["identity"]) == own])
        if len(scores) == folds and None not in scores:
            means[name] = mean(scores)
    return max(means, key=lambda name: (means[name], -parameters[name]), default=None)
