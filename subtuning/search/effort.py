"""How much a search trains of what it compares (`search.effort`): everything in all folds, or what a race leaves."""

from collections.abc import Sequence

from subtuning.runs.identity import Run, Split
from subtuning.search.racing import race
from subtuning.search.study import Settings, Study, Wanted, shard
from subtuning.tuning.tuning import Tuning


def is_fast(settings: Settings) -> bool:
    """Whether candidates race."""
    return settings["search.effort"] == "fast"


def ask(
    study: Study, tunings: Sequence[Tuning], always: Sequence[Tuning], splits: Sequence[Split], shards: str
) -> tuple[Wanted, dict[Tuning, list[Run]]]:
    """What a step asks for to compare tunings; and of each tuning, these runs in the order of the folds.

    Args:
        tunings: all of them, in the order in which jobs share them.
        always: those of them that are compared with, so that they are trained in all folds.
        shards: the setting that says over how many jobs they are spread; each makes a race of its own.
    """
    seeds = study.settings["search.seeds"]
    runs = {tuning: study.runs([tuning], splits, seeds) for tuning in tunings}
    if not is_fast(study.settings):
        in_order = [run for of_split in zip(*runs.values(), strict=True) for run in of_split]
        return Wanted(in_order), runs
    by_fold = {tuning: [[run for run in own if run.split == split] for split in splits] for tuning, own in runs.items()}
    taken: dict[Tuning, int] = {tuning: len(splits) for tuning in always}
    later: list[Split] = []
    jobs = study.settings[shards]
    for mine in (shard(tunings, index, jobs) for index in range(jobs)):
        racers = [tuning for tuning in mine if tuning not in always]
        found, alive = race(
            racers, len(splits), lambda some, fold: [study.records(by_fold[tuning][fold]) for tuning in some]
        )
        taken |= {tuning: len(folds) for tuning, folds in found.items()}
        reached = max(map(len, found.values()), default=0)
        later += [run.split for tuning in alive for of_fold in by_fold[tuning][reached:] for run in of_fold]
    asked = {tuning: [run for of_fold in by_fold[tuning][: taken[tuning]] for run in of_fold] for tuning in tunings}
    return Wanted(_fold_by_fold(by_fold, taken), later), asked


def _fold_by_fold(by_fold: dict[Tuning, list[list[Run]]], taken: dict[Tuning, int]) -> list[Run]:
    """All tunings stand in the first fold, so that jobs share them as they share a step's runs (`study.share`)."""
    most = max(taken.values(), default=0)
    return [run for fold in range(most) for tuning, own in by_fold.items() if fold < taken[tuning] for run in own[fold]]
