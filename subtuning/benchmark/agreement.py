"""C: whether a device's numbers are a processor's."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from subtuning.benchmark.job import Job
from subtuning.benchmark.lanes import Plain
from subtuning.tuning.precision import resolve_precision
from subtuning.tuning.tuning import EVERYTHING

STEPS, IMAGES = 10, 8
"""Of the training whose losses are compared: few, since a processor computes it too."""


def against_a_processor(job: Job) -> list[dict[str, Any]]:
    """Plain PyTorch on the job's device, in float32 and in its precision, against float32 on a processor.

    `relative_difference` is how far the network's features lie apart, as a share of their size; `loss` that after
    `STEPS` steps of full fine-tuning, all on the same `IMAGES` images. Norms whose scale is 0 before any training, as
    timm begins residual blocks, have 1 here: else most of the network would have no say.
    """
    wanted, wanted_loss = _trained(replace(job, device=torch.device("cpu"), precision="fp32"))
    rows = []
    for each in [replace(job, precision="fp32"), *([job] if job.low else [])]:
        own, loss = _trained(each)
        apart = float((own - wanted).norm() / wanted.norm())
        row: dict[str, Any] = {"benchmark": "C agreement", "precision": resolve_precision(each.precision, each.device)}
        row |= {"relative_difference": float(f"{apart:.3g}"), "steps": STEPS, "images": IMAGES}
        rows.append(row | {"loss": round(loss, 4), "loss_processor": round(wanted_loss, 4)})
    return rows


def _trained(job: Job) -> tuple[Tensor, float]:
    """The features before the training, and the loss after it."""
    torch.manual_seed(0)
    plain = Plain(job, EVERYTHING, job.train.batch(np.arange(IMAGES)))
    with torch.no_grad():
        for module in plain.network.modules():
            if isinstance(module, nn.BatchNorm2d) and not module.weight.any():
                module.weight.fill_(1)
        found = plain.features()
    for _ in range(STEPS):
        plain.step()
    with torch.no_grad():
        return found.cpu(), float(plain.loss(plain.features()))
