"""E: a profile at several learning rates, in one training against one training for each."""

from typing import Any

from subtuning.benchmark.job import Job
from subtuning.benchmark.timing import compare
from subtuning.runs import Run
from subtuning.training.loop import LaneGroup
from subtuning.training.scoring import score

RATES = (1e-4, 3e-4, 1e-3, 3e-3)


def lr_grid(job: Job, epochs: int, repeats: int) -> list[dict[str, Any]]:
    """Seconds of whole trainings, from the trunk's values to scores, and whether the losses are the same."""
    losses: dict[str, dict[Run, list[float]]] = {"together": {}, "separate": {}}

    def train(rates: tuple[float, ...], found: dict[Run, list[float]]) -> None:
        group: LaneGroup = job.group(job.profile, epochs, cached=job.augmentation == "none", rates=rates)
        while not group.finished:
            group.advance()
        score(group, job.test)
        found.update({state.run: [point["train_loss"] for point in state.curve] for state in group.lanes})

    def train_separately() -> None:
        for rate in RATES:
            train((rate,), losses["separate"])

    ratio = compare(lambda: train(RATES, losses["together"]), train_separately, job.device, repeats)
    row = {"benchmark": "E lr-grid", "rates": len(RATES), "lanes": len(job.profile), "epochs": epochs}
    return [row | ratio.row() | {"same_losses": losses["together"] == losses["separate"]}]
