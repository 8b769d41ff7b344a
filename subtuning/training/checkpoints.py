"""The state of interrupted runs, one file a run, so that a killed training goes on where it was."""

import os
from pathlib import Path
from typing import Any

import torch


class Checkpoints:
    """Files in a folder such as `results/checkpoints`, named by run id, each written in one step."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def path(self, run_id: str) -> Path:
        """Where the checkpoint of a run is or would be."""
        return self.folder / f"{run_id}.pt"

    def save(self, run_id: str, state: dict[str, Any]) -> None:
        """Write (or replace) a checkpoint; a reader never sees a part of it.

        Raises:
            OSError: it cannot be written, say because the disk is full; the checkpoint before it stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f".{run_id}.{os.getpid()}.partial"
        try:
            with partial.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path(run_id))
        except (OSError, RuntimeError) as error:
            reason = error if isinstance(error, OSError) else error.__context__  # torch wraps the file's own error
            if not isinstance(reason, OSError):
                raise
            reason.filename = str(self.path(run_id))
            raise reason from None
        finally:
            partial.unlink(missing_ok=True)

    def load(self, run_id: str, device: torch.device) -> dict[str, Any] | None:
        """The saved state, or None where there is none or it is damaged (then the run starts anew)."""
        try:
            return torch.load(self.path(run_id), map_location=device, weights_only=True)
        except FileNotFoundError:
            return None
        except Exception:  # a file cut off by a power failure raises one of many kinds
            self.remove(run_id)
            return None

    def step(self, run_id: str) -> int:
        """The step that a run goes on from, 0 without a checkpoint; the tensors stay on disk."""
        if not self.path(run_id).exists():
            return 0
        try:
            return torch.load(self.path(run_id), mmap=True, weights_only=True)["step"]
        except Exception:  # damaged: found again, and removed, by load()
            return 0

    def remove(self, run_id: str) -> None:
        """Forget a run that is finished."""
        self.path(run_id).unlink(missing_ok=True)
