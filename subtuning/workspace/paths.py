"""Where everything under `results/` is, and how its small JSON files are read and written."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subtuning.errors import UserError
from subtuning.runs import Store
from subtuning.runs.store import write_atomically

PARTIAL = [
    *("runs/??/.*.json.*", "runs/??/.*.npy.*", "models/.*.safetensors.*", "checkpoints/.*.partial", "tasks/.*.partial"),
    *("backbones/*/*.partial", "tensorboard/.*.partial"),
    "*/*/.*.partial",
    *("*/*/.*.json.*", "*/*/*/.*.json.*", "*/*/*/*/.*.json.*"),
]
"""How commands of this package name what they have not written to its end, below the results folder."""


@dataclass(frozen=True)
class Results:
    """A folder such as `results`; what workflows add to it, their rules name (`results/<task>/<backbone>/...`)."""

    folder: Path

    def task(self, name: str) -> Path:
        """A converted task: `task.json` and a folder for each part."""
        return self.folder / "tasks" / name

    def weights(self, backbone: str) -> Path:
        """A backbone's fetched weights."""
        return self.folder / "backbones" / backbone / "weights.safetensors"

    def layers(self, backbone: str) -> Path:
        """The description of a backbone."""
        return self.folder / "backbones" / backbone / "layers.json"

    @property
    def store(self) -> Store:
        """The records of all finished runs."""
        return Store(self.folder / "runs")

    @property
    def models(self) -> Path:
        """The trained tensors of evaluation runs, `<id>.safetensors`."""
        return self.folder / "models"

    @property
    def checkpoints(self) -> Path:
        """The states of runs that are not finished."""
        return self.folder / "checkpoints"

    @property
    def claims(self) -> Path:
        """The locks of runs that are being trained."""
        return self.folder / "claims"

    @property
    def tensorboard(self) -> Path:
        """The curves of finished runs."""
        return self.folder / "tensorboard"


def read_json(path: Path, made_by: str) -> Any:
    """Read a file that an earlier step wrote. Raises `UserError` that names this step."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; make it with: {made_by}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path} is damaged; delete it and make it again with: {made_by}") from None


def write_json(path: Path, value: Any) -> None:
    """Write a small file in one step."""
    write_atomically(path, json.dumps(value, indent=1, allow_nan=False) + "\n")
