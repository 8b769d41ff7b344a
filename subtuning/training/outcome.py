"""What a run leaves beside its record: the classes' probabilities, and of an evaluation run the trained tensors.

Probabilities are kept of evaluation runs, and of those of the search where a metric needs them. All is written before
the record, so that a record that is there has it; what a kill leaves behind without a record is found by `subtuning
clean`.
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
    """Write what a run leaves: `<id>.npy` (N x C) beside the record, and `<id>.safetensors` where models are kept.

    The tensors have the names that they have in the backbone, and `head.<name>`; the metadata says to which backbone,
    task and run they belong, each by its hash, and holds a `sha256` of the tensors.
    """
    if run.split.kind in ("test", "pool") or place.store.needs_probabilities:
        file = io.BytesIO()
        np.save(file, probabilities)
        write_atomically(place.store.probabilities_path(run.id), file.getvalue())
    if run.split.kind in ("test", "all") and not run.split.labelled and place.models is not None:
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
