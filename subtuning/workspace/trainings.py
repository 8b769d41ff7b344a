"""Training what is missing of a pair's runs. Torch is imported when the first of them is."""

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from subtuning.runs import Run
from subtuning.runs.precision import finished_alike, with_precision
from subtuning.tasks import check_content
from subtuning.training.lease import gpu_lease
from subtuning.workspace.pair import Pair
from subtuning.workspace.paths import Results

if TYPE_CHECKING:
    import torch

    from subtuning.training.runner import Trainer


@dataclass(frozen=True)
class Machine:
    """What a training may use; none of it is part of a run's identity.

    Attributes:
        device: `auto` or `cuda` (a free GPU), `cpu`, `cuda:1`.
        threads: of the CPU, None for torch's choice.
        lanes: runs trained together at most, None for as many as fit.
        models: whether the trained tensors of evaluation runs are kept.
        probabilities: whether those of the search's runs are kept, and a run without them is trained again.
    """

    device: str = "auto"
    threads: int | None = None
    lanes: int | None = None
    models: bool = True
    probabilities: bool = False


class Trainings:
    """The trainings of one pair; the GPU that is leased for them is given back at the end of the ``with`` block."""

    def __init__(self, pair: Pair, machine: Machine, title: str = ""):
        self.pair, self.machine, self.title = pair, machine, title
        self.store = pair.store.with_probabilities(machine.probabilities)
        self._open = contextlib.ExitStack()

    def __enter__(self) -> "Trainings":
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    @cached_property
    def device(self) -> "torch.device":
        """The device that trains, leased if it is one of several GPUs."""
        self._open.enter_context(gpu_lease(self.machine.device))
        import torch

        from subtuning.training.device import choose_device

        if self.machine.threads:
            torch.set_num_threads(self.machine.threads)
        return choose_device(self.machine.device)

    def precision(self) -> str:
        """What the recipe's precision means on this device."""
        from subtuning.tuning.precision import resolve_precision

        return resolve_precision(self.pair.recipe.precision, self.device)

    def resolve(self, runs: Sequence[Run]) -> list[Run]:
        """The runs in one precision: in which all are finished, else this device's."""
        records = finished_alike(runs, self.store)
        return with_precision(runs, records[0]["identity"]["recipe"]["precision"] if records else self.precision())

    def train(self, runs: Sequence[Run]) -> list[dict[str, Any]]:
        """Train those of the runs that are missing and return all records."""
        pair, store = self.pair, self.store
        records = {run: record for run in runs if (record := store.get(run))}
        missing = [run for run in runs if run not in records]
        print(f"{'/'.join(pair.names)}: {len(runs)} runs, {len(runs) - len(missing)} finished before", file=sys.stderr)
        if missing:
            if superseded := store.superseded(missing):
                words = "of them were finished with numbers of another version; training anew"
                print(f"{superseded} {words}", file=sys.stderr)
            if incomplete := store.without_probabilities(missing):
                words = "of them were finished without keeping probabilities, which search.metric needs; training anew"
                print(f"{incomplete} {words}", file=sys.stderr)
            self._train(missing)
            records |= zip(missing, store.require(missing), strict=True)
        self._write_missing_scalars(records)
        return [records[run] for run in runs]

    def _train(self, missing: list[Run]) -> None:
        from subtuning.training.interrupt import Interrupted

        with contextlib.redirect_stderr(_Heedless(sys.stderr)):
            try:
                self._trainer.train(missing)
            except Interrupted as stop:
                print(f"{stop}; finished runs are kept, and the same command goes on from here", file=sys.stderr)
                sys.exit(128 + stop.signum)

    @cached_property
    def _trainer(self) -> "Trainer":
        """One for all calls, so that a race loads the images and the trunk once."""
        from subtuning.training.checkpoints import Checkpoints
        from subtuning.training.runner import Trainer
        from subtuning.training.scalars import write_scalars
        from subtuning.training.schedule import Workplace

        check_content(self.pair.task.path)
        results = Results(self.pair.results)
        place = Workplace(
            task=self.pair.task,
            layers=self.pair.layers,
            weights=results.weights(self.pair.names[1]),
            store=self.store,
            checkpoints=Checkpoints(results.checkpoints),
            device=self.device,
            finished=lambda record, run: write_scalars(record, run, results.tensorboard),
            models=results.models if self.machine.models else None,
            lanes=self.machine.lanes,
            title=self.title,
        )
        return Trainer(place)

    def _write_missing_scalars(self, records: dict[Run, dict[str, Any]]) -> None:
        """Curves of runs that were finished just before a kill, or under another name, or whose folder was removed."""
        from subtuning.training.scalars import scalars_folder, write_scalars

        folder = Results(self.pair.results).tensorboard
        for run, record in records.items():
            if not scalars_folder(run, folder).exists():
                write_scalars(record, run, folder)


class _Heedless:
    """Standard error that may lose its reader: the signal that ends a training may end `tee` first, and the training
    must still save its state."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(BrokenPipeError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
