"""What becomes of every architecture that timm has, without weights or arithmetic: on torch's meta device."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from os import sched_getaffinity
from typing import Any

import timm
import torch

from subtuning.backbones.describe import describe
from subtuning.config import BackboneEntry
from subtuning.errors import UserError


def zoo(models: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """One outcome a model, of all that timm has or of `models`, in order, computed on every core."""
    with ProcessPoolExecutor(len(sched_getaffinity(0)), get_context("spawn")) as pool:
        yield from pool.map(outcome, models or timm.list_models())


def outcome(model: str) -> dict[str, Any]:
    """Whether a model is cut, and how: its name, parameters, the names of its layers, and `refused`, why it is not.

    A model that breaks in another way than by a `UserError` is refused too, by that error: one must not end the list.
    """
    torch.set_num_threads(1)
    try:
        with torch.device("meta"):
            found = describe(BackboneEntry(model=model))
    except UserError as error:
        return {"model": model, "refused": str(error)}
    except Exception as error:
        return {"model": model, "refused": f"{type(error).__name__}: {error}"}
    return {
        "model": model,
        "refused": "",
        "parameters": found["total_parameters"],
        "layers": [row["name"] for row in found["layers"]],
        "candidates": [row["name"] for row in found["layers"] if row["candidate"]],
        "undivided": found["undivided"],
    }
