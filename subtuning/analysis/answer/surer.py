"""What would make the answer surer, each with the command that does it."""

import numpy as np
import scipy

from subtuning.analysis.answer.gain import LEAST_SEEDS, WITHOUT, Gain, listing
from subtuning.analysis.answer.known import Known
from subtuning.analysis.answer.words import SETTLED
from subtuning.analysis.statistics import LEVEL

NORMAL = 1.96

FEW_EPOCHS = 5
FEW_IMAGES = 20
"""A class."""

MANY_SEEDS = 3
"""Trainings of a candidate a fold from which on no more are proposed."""

WORTH = 0.9
"""Twice the trainings are proposed if they leave no more than this of an interval."""


def surer_sentences(known: Known) -> list[str]:
    """What would help, the cheapest first; one sentence that nothing is open if nothing would."""
    found = [*_seeds(known), *_test_images(known), *_search(known), *_rates(known), *_epochs(known), *_images(known)]
    return found or ["Nothing that these numbers ask for."]


def _command(known: Known, part: str, key: str, value: int) -> str:
    return f"`{known.command} --config '{part}={{{key}: {value}}}'`"


def _open(known: Known) -> list[Gain]:
    """The comparisons that are not settled."""
    return [gain for gain in (known.over_full, known.over_linear) if gain.verdict in ("tie", "few")]


def half_after(gain: Gain, seeds: float) -> float:
    """About half the interval of a gain (0-1) if each method were trained with so many seeds, on as many images.

    Of the variance of the mean difference, more seeds shrink what is seen between seeds on the same images; the
    rest comes from the choice of images.
    """
    total = (gain.high - gain.low) / 2 / NORMAL
    of_seeds = gain.seed_half / scipy.stats.t.ppf((1 + LEVEL) / 2, gain.seeds - 1)
    return float(NORMAL * (max(total**2 - of_seeds**2, 0) + of_seeds**2 * gain.seeds / seeds) ** 0.5)


def _seeds(known: Known) -> list[str]:
    found = _open(known)
    if not found:
        return []
    gain, more = found[0], max(2 * found[0].seeds, LEAST_SEEDS)
    words = f"More trainings of each method, {more} instead of {gain.seeds} (only the new ones are trained)"
    command = _command(known, "evaluate", "seeds", more)
    if gain.verdict == "few" or not gain.images:
        return [f"{words}: {command}."]
    now, then = (gain.high - gain.low) / 2, half_after(gain, more)
    if then > WORTH * now:
        return []
    return [f"{words}: the difference to {WITHOUT[gain.other]} would be known to {_within(then)}: {command}."]


def _within(half: float) -> str:
    return f"about ±{100 * half:.1f} points"


def _test_images(known: Known) -> list[str]:
    found = [gain for gain in _open(known) if gain.images and half_after(gain, np.inf) > abs(gain.difference)]
    if not found:
        return []
    left = _within(half_after(found[0], np.inf))
    return [
        f"More test images: with {found[0].images:,}, endless trainings would still leave {left} of the difference to "
        f"{WITHOUT[found[0].other]} open, and it is smaller. Add some to the data, then: `{known.command}`."
    ]


def _search(known: Known) -> list[str]:
    if not known.profile["p_best"].max() < SETTLED or known.search_seeds >= MANY_SEEDS:
        return []
    command = _command(known, "search", "seeds", MANY_SEEDS)
    return [
        f"If it matters which layer is the best, score every candidate by {MANY_SEEDS} trainings a fold instead of "
        f"{known.search_seeds}, which takes as many times longer: {command}."
    ]


def _rates(known: Known) -> list[str]:
    """Methods whose learning rate is the least or the largest of those that were tried."""
    named = [f"`{name}` ({row['lr']:.3g})" for name, row in known.rows.items() if row.get("at_edge") in (True, "True")]
    if not named:
        return []
    return [
        f"More learning rates: the best one lies at the edge of what was tried for {listing(named)}, so another may do "
        f"better. Add some to `tune` in the config, then: `{known.command}`."
    ]


def _epochs(known: Known) -> list[str]:
    if known.epochs > FEW_EPOCHS:
        return []
    time = f"{known.epochs} epoch{'s' * (known.epochs > 1)}"
    command = _command(known, "recipe", "epochs", 4 * known.epochs)
    return [
        f"Longer training: all methods were trained for {time} only, which is hardest on fine-tuning all layers; with "
        f"more the comparison may turn (all is trained again): {command}."
    ]


def _images(known: Known) -> list[str]:
    learned = known.facts["counts"]["train"] + known.facts["counts"]["val"]
    if learned >= FEW_IMAGES * len(known.facts["classes"]):
        return []
    each = f"{learned / len(known.facts['classes']):.0f} a class"
    return [f"More images to learn from: there are {each}. Add some to the data, then: `{known.command}`."]
