"""How often 95 % intervals hold the truth, on made-up answers of crossed seeds and images.

An answer is right with probability 1 / (1 + exp(-x)), where x is a constant, plus the image's easiness (normal, shared
by the methods), plus the method's own view of the image, plus the seed's luck, shared and own. The constant is set so
that the accuracy over all seeds and images is the wanted one.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import scipy

from subtuning.analysis.statistics import LEVEL, interval
from subtuning.analysis.two_way import accuracy_interval, difference_interval

EASINESS = 3.0
"""Standard deviation over images of x: most are always right or always wrong, as in records of real runs."""

RESAMPLES = 200


class Design(NamedTuple):
    """What is simulated. `luck` and `view` are standard deviations of x: over seeds, and of a method's own view of an
    image. Over seeds an accuracy of 60 % then varies by 0.5 (luck 0.05) or 4
    points (0.4), one of 97 % by 0.1 or 0.6."""

    images: int
    seeds: int
    accuracy: float
    gain: float
    luck: float
    view: float


def designs(images: tuple[int, ...] = (200, 1000, 10000), seeds: tuple[int, ...] = (3, 5, 10)) -> list[Design]:
    """Few and many images and seeds, easy and hard tasks, small and large spread over seeds, (un)like methods."""
    return [
        Design(n, s, accuracy, gain, luck, view)
        for n in images
        for s in seeds
        for accuracy, gain in ((0.6, 0.05), (0.97, 0.01))
        for luck in (0.05, 0.4)
        for view in (0.3, 1.5)
    ]


def coverages(designs: Iterable[Design], draws: int) -> list[dict[str, Any]]:
    """How often (%) each interval of an accuracy and of a difference holds the truth: a row for each number of images
    and seeds, over all designs of that size.

    Columns: `over_both` (with the `least` and the `most` of one design, and the mean `width` in points), `over_seeds`
    (Student's t over the seeds), `over_images` (the same over the images' means) and `pigeonhole` (Owen's bootstrap; up
    to 1,000 images, on a tenth of the draws). Designs of 5,000 images or more have a quarter of the draws.
    """
    groups: dict[tuple[str, int, int], list[dict[str, tuple[float, float]]]] = {}
    for number, design in enumerate(designs):
        for of, found in _of_design(design, draws, np.random.default_rng(number)).items():
            groups.setdefault((of, design.images, design.seeds), []).append(found)
    rows = []
    for (of, images, seeds), members in groups.items():
        held = {name: [each[name][0] for each in members] for name in members[0]}
        row: dict[str, Any] = {"of": of, "images": images, "seeds": seeds, "designs": len(members)}
        row |= {name: round(float(np.mean(shares)), 1) for name, shares in held.items()}
        row |= {"least": round(min(held["over_both"]), 1), "most": round(max(held["over_both"]), 1)}
        rows.append(row | {"width": round(float(np.mean([each["over_both"][1] for each in members])), 2)})
    return rows


def _of_design(design: Design, draws: int, rng: np.random.Generator) -> dict[str, dict[str, tuple[float, float]]]:
    """For accuracy and difference, by the interval's name: its coverage (%) and mean width (points)."""
    found: dict[str, dict[str, list[tuple[bool, float]]]] = {"accuracy": {}, "difference": {}}
    for number in range(draws if design.images < 5000 else -(-draws // 4)):
        first, second = draw(design, rng)
        resampling = rng if design.images <= 1000 and number % 10 == 0 else None
        truths = {"accuracy": (design.accuracy + design.gain, first), "difference": (design.gain, first - second)}
        for what, (truth, values) in truths.items():
            for name, ends in _intervals(what, values, first, second, resampling).items():
                low, high = np.clip(ends, 0 if what == "accuracy" else -1, 1)
                found[what].setdefault(name, []).append((low <= truth <= high, high - low))
    return {
        what: {
            name: (100 * float(np.mean([p[0] for p in pairs])), 100 * float(np.mean([p[1] for p in pairs])))
            for name, pairs in own.items()
        }
        for what, own in found.items()
    }


def draw(design: Design, rng: np.random.Generator) -> list[np.ndarray]:
    """The right answers (0 or 1) of a method and of its reference, each seeds x images."""
    easiness, luck = EASINESS * rng.normal(size=design.images), rng.normal(size=(design.seeds, 1))
    answers = []
    for accuracy in (design.accuracy + design.gain, design.accuracy):
        own = design.view * rng.normal(size=design.images)
        seeds = design.luck * (luck + rng.normal(size=(design.seeds, 1))) / 2**0.5
        x = _constant(accuracy, float(np.hypot(EASINESS, np.hypot(design.view, design.luck)))) + easiness + own + seeds
        answers.append((rng.random(x.shape) < scipy.special.expit(x)).astype(np.float64))
    return answers


@cache
def _constant(accuracy: float, spread: float) -> float:
    """The constant with which the mean of 1 / (1 + exp(-x)) is `accuracy`; x varies by `spread`."""
    normal = spread * scipy.stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    return float(scipy.optimize.brentq(lambda c: scipy.special.expit(c + normal).mean() - accuracy, -60, 60))


def _intervals(
    what: str, values: np.ndarray, first: np.ndarray, second: np.ndarray, rng: np.random.Generator | None
) -> dict[str, tuple[float, float]]:
    both = accuracy_interval(first) if what == "accuracy" else difference_interval(first, second)
    means = {"over_seeds": interval(values.mean(1), None), "over_images": interval(values.mean(0), None)}
    found = {"over_both": (both.low, both.high)} | {name: (own.low, own.high) for name, own in means.items()}
    return found | ({"pigeonhole": pigeonhole(values, rng)} if rng else {})


def pigeonhole(values: np.ndarray, rng: np.random.Generator, level: float = LEVEL) -> tuple[float, float]:
    """Owen's bootstrap (2007): seeds and images are both drawn again; the percentiles of the mean."""
    weights = [rng.multinomial(size, np.full(size, 1 / size), RESAMPLES) / size for size in values.shape]
    means = ((values @ weights[1].T) * weights[0].T).sum(0)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
