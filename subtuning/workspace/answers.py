"""What the finished runs of a pair said of each image: the stored answers, side by side."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from subtuning.analysis.metrics import answers
from subtuning.runs.predictions import unpack
from subtuning.runs.store import Store
from subtuning.search.experiments import greedy, profile
from subtuning.search.experiments.evaluation import runs_of
from subtuning.search.study import Record, Study, cv_splits
from subtuning.tasks import Task
from subtuning.tuning.tuning import ONLY_HEAD, Tuning


class Answers(NamedTuple):
    """What S runs said of N images.

    Attributes:
        predicted: classes, S x N.
        labels: N.
        images: their names, N.
        rows: their places among the images of their part; in a cross-validation, of train and then val, N.
        probabilities: the mean over the runs, N x C; None where a run kept none.
    """

    predicted: np.ndarray
    labels: np.ndarray
    images: list[str]
    rows: np.ndarray
    probabilities: np.ndarray | None = None


def test_answers(study: Study, method: str, store: Store) -> Answers | None:
    """What the runs of a method of the evaluation said of the test images.

    None where none can be told: a run diverged, or is of a version that kept no predictions.
    """
    runs = runs_of(study, method)
    records = study.require(runs or [])
    if study.task is None or not records or not all(record.get("predictions") for record in records):
        return None
    _, labels = study.task.part("test")
    given = [store.probabilities(record) for record in records]
    known = [each.astype(np.float32) for each in given if each is not None]
    mean = np.mean(known, axis=0) if len(known) == len(given) else None
    names = [str(name) for name in study.task.names("test")]
    predicted = np.stack([unpack(record["predictions"]) for record in records])
    return Answers(predicted, labels, names, np.arange(len(labels)), mean)


def selection_answers(study: Study, tuning: Tuning) -> Answers | None:
    """What the runs that scored a tuning in the search said of the images held out from them; None as in
    `test_answers`."""
    return _held_out(study, [study.runs([tuning], greedy.splits(study.settings), study.settings["search.seeds"])])


def profile_answers(study: Study) -> Answers | None:
    """What all trainings of the profile, but those of the head alone, said of the images held out from them.

    Each image has an answer of each tuning that finished; None if no tuning has all answers.
    """
    splits, seeds = cv_splits(study.settings["profile.folds"]), study.settings["search.seeds"]
    tunings = [tuning for tuning in profile.tunings(study.layers, study.how) if tuning != ONLY_HEAD]
    return _held_out(study, [study.runs([tuning], splits, seeds) for tuning in tunings])


def _held_out(study: Study, groups: Sequence[Sequence]) -> Answers | None:
    task, rows = study.task, None
    predicted, labels, images = [], np.array([]), []
    if task is None:
        return None
    for records in map(study.records, groups):
        if records is None or not all(record.get("predictions") for record in records):
            continue
        for seed in sorted({record["identity"]["seed"] for record in records}):
            own = [record for record in records if record["identity"]["seed"] == seed]
            frames = [answers(record, task) for record in own]
            predicted.append(np.concatenate([frame["predicted"] for frame in frames]))
            if rows is None:
                rows = np.concatenate([_rows(task, record) for record in own])
                labels = np.concatenate([frame["label"] for frame in frames])
                images = [str(name) for frame in frames for name in frame["image"]]
    return None if rows is None else Answers(np.stack(predicted), labels, images, rows)


def _rows(task: Task, record: Record) -> np.ndarray:
    """The places, among the images of train and then val, of those that a run was scored on."""
    identity, counts = record["identity"], task.counts
    if identity["split"] == "val":
        return counts["train"] + np.arange(counts["val"])
    return task.folds(identity["folds"])[identity["fold"]][1]
