"""A temperature by which a model's logits are divided, so that its probabilities mean what they say.

Temperature scaling: Guo et al. 2017, arXiv 1706.04599, section 4.2. It changes no answer.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from subtuning.analysis.metrics import calibration_error

LEAST = 2.0**-24
"""The smallest probability above 0 that is kept (float16); one that was rounded to 0 counts as this."""

RANGE = (1 / 20, 20.0)
"""Between these a temperature is looked for."""


class Calibration(NamedTuple):
    """A temperature, and what it does on test images, which did not choose it.

    Attributes:
        temperature: logits are divided by it.
        images, folds: it was fitted on what cross-validation said of so many held-out images, in so many folds.
        log_loss, error: mean cross-entropy (nats) and expected calibration error (0-1) without and with it.
    """

    temperature: float
    images: int
    folds: int
    log_loss: tuple[float, float]
    error: tuple[float, float]


def fit_temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The temperature with the least mean cross-entropy.

    Args:
        labels: N.
        probabilities: N x C, of images that did not train what gave them.
    """
    found = minimize_scalar(lambda t: log_loss(labels, probabilities, np.exp(t)), bounds=tuple(np.log(RANGE)))
    return float(f"{np.exp(found.x):.4g}")


def calibration(
    held_out: list[tuple[np.ndarray, np.ndarray]], labels: np.ndarray, probabilities: np.ndarray
) -> Calibration:
    """Fit a temperature on all folds together, and measure it on the test.

    Args:
        held_out: of each fold the labels, N, and the probabilities, N x C.
        labels, probabilities: of the test images, M and M x C.
    """
    known, said = (np.concatenate(parts) for parts in zip(*held_out, strict=True))
    temperature = fit_temperature(known, said)
    losses = log_loss(labels, probabilities, 1.0), log_loss(labels, probabilities, temperature)
    errors = _error(labels, probabilities, 1.0), _error(labels, probabilities, temperature)
    return Calibration(temperature, len(known), len(held_out), losses, errors)


def log_loss(labels: np.ndarray, probabilities: np.ndarray, temperature: float) -> float:
    """The mean cross-entropy (nats) at a temperature."""
    return float(-_logs(probabilities, temperature)[np.arange(len(labels)), labels].mean())


def _error(labels: np.ndarray, probabilities: np.ndarray, temperature: float) -> float:
    scaled = np.exp(_logs(probabilities, temperature))
    return calibration_error(labels, scaled.argmax(1), scaled.max(1))


def _logs(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Logs of the probabilities at a temperature; logits are known from probabilities up to a constant."""
    return log_softmax(np.log(np.maximum(probabilities.astype(np.float64), LEAST)) / temperature, axis=1)
