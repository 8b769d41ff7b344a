"""What a greedy search selects, when all of its rounds are played: how many are kept, and which direction is better.

A round is that of `subtuning.search.experiments.greedy`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from subtuning.runs.identity import Split
from subtuning.search.scores import DIGITS, mean, worth
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning

if TYPE_CHECKING:
    import numpy as np

    from subtuning.search.stopping import Tried

Round = dict[str, Any]

NO_ANSWERS = "some runs of this search are of a version that kept no answers of single images, so epsilon decided"


def decide(study: Study, rounds: Sequence[Round], scored: Sequence[Split]) -> list[Round]:
    """The same rounds, `stopped` also true from the first one on that `greedy.epsilon` or `greedy.stop` does not keep.

    Each also has `rule`, the one that decided, where it is `test` perhaps `p` (see `stopping.p_values`), and `note`
    where it is not the one that was asked for.

    Args:
        scored: the splits on which the rounds were scored.
    """
    rounds, rule = stop_at(rounds, study.settings["greedy.epsilon"]), study.settings["greedy.stop"]
    better = [this for this in rounds if not this["stopped"]]
    removed = rounds[0]["direction"] == "backward"  # a layer that goes without loss needs no proof
    if rule == "epsilon" or removed or not better:
        return [this | {"rule": "epsilon"} for this in rounds]
    from subtuning.search import stopping  # NumPy, without which the rest of a search can do

    tried = [found for this in better if (found := _tried(study, this, scored))]
    if len(tried) < len(better):
        return [this | {"rule": "epsilon", "note": NO_ANSWERS} for this in rounds]
    if rule == "one_se":
        kept, ps = stopping.by_one_se(tried), []
    else:
        ps = stopping.p_values(tried, study.settings["search.seeds"])
        kept = sum(p < stopping.LEVEL for p in ps)
    about = [{"p": p} for p in ps] + [{}] * (len(rounds) - len(ps))
    return [
        this | {"rule": rule, "stopped": number >= kept} | found
        for number, (this, found) in enumerate(zip(rounds, about, strict=True))
    ]


def _tried(study: Study, this: Round, scored: Sequence[Split]) -> "Tried | None":
    """The answers of a round's base and candidates but those that diverged; None if those of any are not known."""
    import numpy as np

    from subtuning.search.stopping import Tried

    shown = [each for each in this["candidates"] if each["scores"] and None not in each["scores"]]
    rows = [_answers(study, each["tuning"], scored[: len(each["scores"])]) for each in shown]
    base = None if None in this["base_scores"] else _answers(study, this["base"], scored)
    if any(row is None for row in rows) or (base is None and None not in this["base_scores"]):
        return None
    known = [row for row in rows if row is not None]
    width = max(map(len, known))
    padded = [np.concatenate([row, np.full(width - len(row), np.nan, row.dtype)]) for row in known]
    return Tried(base, np.stack(padded), [candidate["layer"] for candidate in shown].index(this["choice"]))


def _answers(study: Study, name: str, scored: Sequence[Split]) -> "np.ndarray | None":
    """The answers of the tuning of this printed name."""
    from subtuning.search.answers import answers_of

    runs = study.runs([Tuning.parse(name, study.names)], scored, study.settings["search.seeds"])
    return answers_of(study.require(runs))


def without_luck(study: Study, rounds: Sequence[Round], scored: Sequence[Split]) -> float | None:
    """The accuracy of the tuning after the kept rounds, less its luck: it is the best of all that they tried, and if
    the search ended there, of what the round tried in which nothing was better (see `answers.best_of`).

    None where it is not known: no round is kept, so nothing was chosen, or runs kept no answers; or what was chosen is
    not the best of them, since its cost counted too.
    """
    if any("penalty" in this for this in rounds):
        return None
    import numpy as np

    from subtuning.search.answers import best_of

    count = sum(not this["stopped"] for this in rounds)
    last = [this for this in rounds[count : count + 1] if this["choice"] and this["tuning"] == this["base"]]
    tried = [_tried(study, this, scored) for this in (*rounds[:count], *last)] if count else []
    known = [found.candidates for found in tried if found]
    if not known or len(known) < len(tried):
        return None
    every = np.vstack(known)
    return best_of(every[~np.isnan(every).any(axis=1)]).corrected


def stop_at(rounds: Sequence[Round], epsilon: float) -> list[Round]:
    """The same rounds, `stopped` also true from the first one on that improves the mean score, less what it costs, by
    `epsilon` or less."""
    result, stopped = [], False
    for this in sorted(rounds, key=lambda item: item["round"]):
        known = None not in this["base_scores"] and None not in this["scores"]
        base = {"scores": this["base_scores"], "penalty": this.get("base_penalty", 0.0)}
        gain = round(worth(this) - worth(base), DIGITS) if known else float("inf")
        stopped = stopped or this["stopped"] or gain <= epsilon
        result.append(this | {"stopped": stopped})
    return result


def path(rounds: Sequence[Round], epsilon: float) -> tuple[list[Round], str, list[float | None]]:
    """The rounds before the stop, the printed name of the tuning after them, and its scores."""
    rounds = stop_at(rounds, epsilon)
    kept = [this for this in rounds if not this["stopped"]]
    if not kept:
        return kept, rounds[0]["base"], rounds[0]["base_scores"]
    return kept, kept[-1]["tuning"], kept[-1]["scores"]


def select(chains: dict[str, Sequence[Round]], epsilon: float) -> dict[str, Any]:
    """The final tuning of one direction, or the better of two (of equals, the one found by adding layers).

    Args:
        chains: direction -> its rounds.

    Returns:
        the content of `selected.json`: direction, tuning (its printed name), score (mean), scores, rounds, epsilon.
    """
    results = {direction: path(rounds, epsilon) for direction, rounds in chains.items()}
    direction = max(results, key=lambda d: (_worth(results[d], chains[d]), d))  # "forward" comes after "backward"
    kept, tuning, scores = results[direction]
    return {
        "direction": direction,
        "tuning": tuning,
        "score": None if None in scores else mean(scores),
        "scores": scores,
        "rounds": len(kept),
        "epsilon": epsilon,
    }


def _worth(found: tuple[list[Round], str, list[float | None]], rounds: Sequence[Round]) -> float:
    kept, _, scores = found
    penalty = kept[-1].get("penalty", 0.0) if kept else rounds[0].get("base_penalty", 0.0)
    return worth({"scores": scores, "penalty": penalty})
