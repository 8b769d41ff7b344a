"""Active learning: train + val is a pool of which a few images are labelled; each round trains on these and asks for
the labels of further ones.

`random` asks by chance, `margin` for images whose two most probable classes are closest (Scheffer, Decomain and Wrobel,
2001, "Active hidden Markov models for information extraction"), `entropy` for those with the highest entropy over the
classes (Shannon; see Settles, 2009, "Active learning literature survey", section 3.1). How many are labelled in each
round is in the config; which they are follows from the finished runs. Test images choose nothing.
"""

from typing import TYPE_CHECKING, NamedTuple

from subtuning.errors import UserError
from subtuning.runs.identity import Run, Split
from subtuning.search.experiments import tune
from subtuning.search.experiments._options import options_of, whole, whole_numbers
from subtuning.search.select import select
from subtuning.search.study import Settings, Step, Study, Wanted
from subtuning.tuning.tuning import Tuning

if TYPE_CHECKING:
    import numpy as np

ACQUISITIONS = ("margin", "entropy", "random")


def _some(value: object, known: tuple[str, ...] | None = None) -> bool:
    words = isinstance(value, list) and bool(value) and all(isinstance(word, str) for word in value)
    return words and len(set(value)) == len(value) and (known is None or set(value) <= set(known))  # type: ignore


OPTIONS = {
    "labelled": ([20, 40, 80, 160], lambda value: whole_numbers(value, 2) and value == sorted(value),
                 "a list of ascending whole numbers of images, such as [20, 40, 80]"),
    "acquire": (list(ACQUISITIONS), lambda value: _some(value, ACQUISITIONS), f"a list of {', '.join(ACQUISITIONS)}"),
    "train": (["best"], lambda value: _some(value), "a list of layers or selectors, such as [best, full]"),
    "seeds": (3, lambda value: whole(value, 1), "a whole number from 1"),
}  # fmt: skip


class Round(NamedTuple):
    """One training of the chain of a seed, acquisition and tuning; `pool` scores what is not labelled yet, if a
    round follows."""

    train: str
    acquire: str
    seed: int
    labelled: int
    test: Run
    pool: Run | None


def names(settings: Settings) -> list[str]:
    """One step. Raises `UserError` for wrong options."""
    options_of(settings, "active", OPTIONS)
    return ["active"]


def step(name: str, settings: Settings) -> Step:
    """Every round of every chain."""
    reads = (*tune.READS, "experiments.active")
    return Step(name, tune.before(settings), reads, ("train_experiment", "experiment_table"), _wanted)


def _wanted(study: Study) -> Wanted:
    options, found = options_of(study.settings, "active", OPTIONS), Wanted()
    sizes = options["labelled"]
    if study.counts and sizes[-1] > (whole_pool := study.counts["train"] + study.counts["val"]):
        return Wanted(trouble=f"experiments.active.labelled has {sizes[-1]}, but the pool has {whole_pool} images")
    try:
        rounds = known_rounds(study)
    except UserError as error:
        return Wanted(trouble=str(error))
    runs = [run for this in rounds for run in (this.test, this.pool) if run]
    found.runs = list(dict.fromkeys(runs))
    chains = len(options["train"]) * len(options["acquire"]) * options["seeds"]
    missing = chains * len(sizes) - len(rounds)
    found.later = [] if _ended(study, rounds) else [Split("test"), Split("pool")] * missing
    return found


def _ended(study: Study, rounds: list[Round]) -> bool:
    """Whether no chain goes on: each has all its rounds, or ended with a diverged run."""
    last = {(this.train, this.acquire, this.seed): this for this in rounds}.values()
    ends = [this.pool is None or ((record := study.get(this.pool)) and record["status"] == "diverged") for this in last]
    return bool(ends) and all(ends)


def known_rounds(study: Study) -> list[Round]:
    """The rounds of all chains, as far as they are known.

    Raises:
        UserError: what is trained cannot be read.
    """
    options = options_of(study.settings, "active", OPTIONS)
    if study.counts is None:  # the pool is not on disk yet
        return []
    found = []
    for words in options["train"]:
        if (tuning := select(words, study)) is None:
            continue
        for seed in range(options["seeds"]):
            for acquire in options["acquire"]:
                found += _chain(study, tuning, (words, acquire, seed), options["labelled"])
    return found


def _chain(study: Study, tuning: Tuning, about: tuple[str, str, int], sizes: list[int]) -> list[Round]:
    """The rounds of one chain, up to the first whose pool is not scored."""
    import numpy as np

    from subtuning.runs.labelled import labelled_text

    (words, acquire, seed), counts = about, study.counts or {}
    rounds: list[Round] = []
    count = counts["train"] + counts["val"]
    drawn = np.random.default_rng([seed, count]).permutation(count)  # of all acquisitions of this seed
    labelled = drawn[: sizes[0]]
    for number, size in enumerate(sizes):
        if number:
            added = _acquire(study, acquire, rounds[-1].pool, labelled, drawn, size - len(labelled))
            if added is None:
                return rounds
            labelled = np.concatenate([labelled, added])
        text, is_last = labelled_text(labelled, count), number + 1 == len(sizes)
        test, pool = (study.base.with_tuning(tuning).with_seed(seed).with_split(Split(kind, labelled=text))
                      for kind in ("test", "pool"))  # fmt: skip
        rounds.append(Round(words, acquire, seed, size, test, None if is_last else pool))
    return rounds


def _acquire(
    study: Study, acquire: str, pool: Run | None, labelled: "np.ndarray", drawn: "np.ndarray", count: int
) -> "np.ndarray | None":
    """The images to label next; None where the pool is not scored, or its run diverged."""
    import numpy as np

    record = study.get(pool) if pool else None
    if record is None or record["status"] == "diverged":
        return None
    rest = np.setdiff1d(np.arange(len(drawn)), labelled)  # ascending, as the pool is scored
    probabilities = study.probabilities(record)
    if probabilities is None:
        raise UserError(f"run {pool} kept no probabilities; remove its record (id {record['id']}) to train it again")
    order = np.argsort(drawn)[rest]  # by chance: of equally doubtful images the one that is drawn first
    return rest[np.lexsort((order, -doubt(acquire, probabilities)))[:count]]


def doubt(acquire: str, probabilities: "np.ndarray") -> "np.ndarray":
    """How much each of N images is asked for, N; `probabilities` are N x C."""
    import numpy as np

    if acquire == "random":
        return np.zeros(len(probabilities))
    known = probabilities.astype(np.float64)
    if acquire == "margin":
        second, first = np.sort(known, axis=1)[:, -2:].T
        return second - first
    return -(known * np.log(np.where(known > 0, known, 1))).sum(axis=1)
