"""B: the conventional way, one process a run, against this project's trainer.

The conventional way trains one run as most code bases do: a DataLoader with per-image torchvision transforms, float32,
the whole model with `requires_grad` set, a pass over the test images after every epoch.
"""

from dataclasses import replace
from statistics import mean
from typing import Any

import torch

from subtuning.analysis.statistics import interval
from subtuning.benchmark.job import Job
from subtuning.benchmark.lanes import Plain
from subtuning.benchmark.timing import Ratio, in_a_process
from subtuning.training.scoring import score
from subtuning.tuning.tuning import Tuning


def against_conventional(job: Job, epochs: int, singles: int) -> list[dict[str, Any]]:
    """Seconds of the whole profile, from process start to accuracies, in both ways.

    Args:
        singles: how many of the profile's runs, spread over its layers, are trained in the conventional way; its
            seconds are scaled to all.

    Returns:
        a row with the 95 % interval of the difference of accuracies (ours - conventional) over these runs.
    """
    runs = job.profile
    chosen = [runs[round(i * (len(runs) - 1) / max(1, singles - 1))] for i in range(singles)]
    seconds, reached = in_a_process(ours, job, epochs, runs)
    single = replace(job, precision="fp32")
    spent, accuracies = zip(*(in_a_process(conventional, single, epochs, tuning) for tuning in chosen), strict=True)
    own = [reached[runs.index(tuning)] for tuning in chosen]
    ratio = Ratio.of([seconds / len(runs)] * len(spent), spent)
    row = {"benchmark": "B conventional", "lanes": len(runs), "epochs": epochs, "test_images": len(job.test)}
    difference = interval([a - b for a, b in zip(own, accuracies, strict=True)], None)
    accuracy = {"accuracy": mean(own), "accuracy_conventional": mean(accuracies)}
    accuracy |= {"difference_low": difference.low, "difference_high": difference.high}
    return [row | ratio.row() | {name: round(value, 4) for name, value in accuracy.items()}]


def conventional(job: Job, epochs: int, tuning: Tuning) -> float:
    """The test accuracy (0-1) of one run."""
    from PIL import Image
    from torch.utils.data import DataLoader
    from torchvision import transforms

    size, backbone = job.input_size, job.backbone
    normalise = transforms.Normalize(backbone.mean, backbone.std)
    steps = [transforms.Resize((size, size), transforms.InterpolationMode.BICUBIC), transforms.ToTensor(), normalise]
    transform = transforms.Compose(steps)

    class Pictures(torch.utils.data.Dataset):
        def __init__(self, part: str, count: int):
            self.part, self.count = part, count

        def __len__(self) -> int:
            return self.count

        def __getitem__(self, index: int):
            pixels = job.arrays[f"x_{self.part}"][index % len(job.arrays[f"y_{self.part}"])]
            image = Image.fromarray(pixels.squeeze() if pixels.shape[-1] == 1 else pixels).convert("RGB")
            return transform(image), int(job.arrays[f"y_{self.part}"][index % len(job.arrays[f"y_{self.part}"])])

    torch.manual_seed(0)
    workers: dict[str, Any] = {"num_workers": 2, "multiprocessing_context": "fork"}
    train = DataLoader(Pictures("train", job.images), job.batch_size, shuffle=True, **workers)
    test = DataLoader(Pictures("test", len(job.test)), 256, **workers)
    run = Plain(job, tuning, (torch.empty(0), torch.empty(0)))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(run.optimizer, epochs)
    accuracy = 0.0
    for _ in range(epochs):
        for run.images, run.labels in train:
            run.images, run.labels = run.images.to(job.device), run.labels.to(job.device)
            run.step()
        schedule.step()
        accuracy = _accuracy(run, test)
    return accuracy


@torch.no_grad()
def _accuracy(run: Plain, test: Any) -> float:
    modes = {module: module.training for module in run.network.modules()}
    run.network.eval()
    right = count = 0
    for images, labels in test:
        logits = run.head(run.network(images.to(run.job.device)))
        right += int((logits.argmax(1).cpu() == labels).sum())
        count += len(labels)
    for module, mode in modes.items():
        module.training = mode
    return right / count


def ours(job: Job, epochs: int, tunings: list[Tuning]) -> list[float]:
    """The test accuracy (0-1) of each run of one group of lanes."""
    group = job.group(tunings, epochs, cached=job.augmentation == "none")
    while not group.finished:
        group.advance()
    return [found.metrics(hits=False)["accuracy"] if found else float("nan") for found in score(group, job.test)]
