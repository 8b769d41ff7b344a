"""What an evaluation run leaves beside its record: the classes' probabilities and the trained tensors.

Both are written before the record, so that a record that is there has them; what a kill leaves behind without a record
is found by `subtuning clean`.
"""

import io
import json

import numpy as np
import safetensors.torch

import subtuning
from subtuning.runs.identity import Run
from subtuning.runs.store import write_atomically
from subtuning.training.schedule import Workplace
from subtuning.tuning.lane import Lane


def write_outcome(run: Run, lane: Lane, probabilities: np.ndarray, place: Workplace) -> None:
    """Write `<id>.npy` (N x C, float16) beside the record and, where models are kept, `<id>.safetensors`.

    The tensors have the names that they have in the backbone, and `head.<name>`; the metadata says to which backbone,
    task and run they belong, each by its hash.
    """
    file = io.BytesIO()
    np.save(file, probabilities)
    write_atomically(place.store.probabilities_path(run.id), file.getvalue())
    if place.models is not None:
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in lane.trained_state().items()}
        about = {"run": run.id, "task": run.task, "backbone": run.backbone.weights_sha256, "tuning": str(run.tuning)}
        about |= {"identity": json.dumps(run.identity(), sort_keys=True), "subtuning": subtuning.__version__}
        write_atomically(place.models / f"{run.id}.safetensors", safetensors.torch.save(tensors, metadata=about))
