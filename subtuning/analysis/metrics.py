"""What a run said of each image: any metric is a function of it (scikit-learn's, say), and needs no other training."""

import numpy as np
import pandas as pd

from subtuning.analysis.records import Record
from subtuning.errors import UserError
from subtuning.runs.predictions import unpack
from subtuning.tasks import Task


def answers(record: Record, task: Task) -> pd.DataFrame:
    """What a run said of each of the N images that it was scored on, in their order.

    Returns:
        A row an image: `image` (its name, see `Task.names`), `label` and `predicted` (numbers of classes, from 0).

    Raises:
        UserError: the run diverged, was trained on another task, or by a version that kept no predictions.
    """
    identity = record["identity"]
    if identity["task"] != task.sha256:
        raise UserError(f"run {record['id']} is of another task, or of other images, than those in {task.path}")
    if not record.get("predictions"):
        why = "diverged and" if record["status"] == "diverged" else "is of a version of subtuning that"
        raise UserError(f"run {record['id']} {why} left no predictions; remove its record to train it again")
    parts = ("train", "val") if identity["split"] == "cv" else (identity["split"],)
    names = np.concatenate([np.array(task.names(part), object) for part in parts])
    labels = np.concatenate([task.part(part)[1] for part in parts])
    if identity["split"] == "cv":
        held = task.folds(identity["folds"])[identity["fold"]][1]
        names, labels = names[held], labels[held]
    return pd.DataFrame({"image": names, "label": labels, "predicted": unpack(record["predictions"])})
