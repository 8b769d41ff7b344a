"""What an evaluation run leaves beside its record: the classes' probabilities and the trained tensors.

Both are written before the record, so that a record that is there has them; what a kill leaves behind without a record
is found by `subtuning clean`.
"""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import safetensors.torch
from torch import Tensor, uint8

import subtuning
from subtuning.errors import UserError
from subtuning.runs.identity import Run
from subtuning.runs.store import write_atomically
from subtuning.training.schedule import Workplace
from subtuning.tuning.lane import Lane


def write_outcome(run: Run, lane: Lane, probabilities: np.ndarray, place: Workplace) -> None:
    """Write `<id>.npy` (N x C, float16) beside the record and, where models are kept, `<id>.safetensors`.

    The tensors have the names that they have in the backbone, and `head.<name>`; the metadata says to which backbone,
    task and run they belong, each by its hash, and holds a `sha256` of the tensors.
    """
    file = io.BytesIO()
    np.save(file, probabilities)
    write_atomically(place.store.probabilities_path(run.id), file.getvalue())
    if place.models is not None and not run.split.labelled:
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in lane.trained_state().items()}
        about = {"run": run.id, "task": run.task, "backbone": run.backbone.weights_sha256, "tuning": str(run.tuning)}
        about |= {
            "identity": json.dumps(run.identity(), sort_keys=True),
            "subtuning": subtuning.__version__,
            "sha256": _hash(tensors),
        }
        write_atomically(place.models / f"{run.id}.safetensors", safetensors.torch.save(tensors, metadata=about))


def read_trained(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The trained tensors of a run, on the CPU, and their metadata (see `write_outcome`).

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        with safetensors.safe_open(file, "pt") as opened:
            tensors, about = {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise UserError(f"{file} is missing: it is no evaluation run's, or was trained without models") from None
    except safetensors.SafetensorError:
        tensors, about = {}, {}
    if about.get("sha256") != _hash(tensors):
        raise UserError(f"{file} is damaged; remove it and the record of run {file.stem}, and it is trained again")
    return tensors, about


def _hash(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}\n".encode())
        digest.update(tensors[name].reshape(-1).view(uint8).numpy().data)
    return digest.hexdigest()
