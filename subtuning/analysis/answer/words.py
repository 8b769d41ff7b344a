"""The answer itself: which layers, what that gains, how sure the choice is, and what it costs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from subtuning.analysis.answer.gain import WITHOUT, Gain, gain_sentence, listing, p_words, percent, score_words
from subtuning.analysis.answer.known import Known
from subtuning.analysis.answer.place import with_place
from subtuning.analysis.paper import best_methods
from subtuning.analysis.time_left import time_words
from subtuning.tuning.tuning import FULL, WEIGHTS

LEAST_CHANCE = 0.05
"""Below this, a layer's probability of being the best one is not told."""

SETTLED = 0.8
"""From this probability on, one layer is called the best."""


def headline(known: Known) -> str:
    """What to train, in one sentence."""
    what, by = _what(known), known.metric
    if known.over_full.verdict == "worse":
        best = f"Fine-tune all layers: that is {'the most accurate' if by == 'accuracy' else f'best by {by}'}."
        return best if known.tuning.layers == FULL else f"{best} If only a part shall be trained: {what}"
    return what[0].upper() + what[1:]


def _what(known: Known) -> str:
    how = "" if known.tuning.how == WEIGHTS else f" with `{known.tuning.how}`"
    if known.tuning.layers == FULL:
        return f"fine-tune all layers{how}: the search found none that is better left as it is."
    if not known.tuning.layers:
        return "train only a new head: the search found no layer whose training is sure to help."
    shown = [f"**{with_place(layer, known.layers)}**" for layer in known.tuning.layers]
    rest = "keep the rest of the network as it is"
    return f"fine-tune {listing(shown, 8)}{how}, with a new head, and {rest}."


def gains(known: Known) -> list[str]:
    """The score of the chosen layers, and what that is against full fine-tuning and linear probing."""
    row = known.chosen
    if pd.isna(row["mean"]):
        return [f"A training of the chosen layers diverged, so their {known.metric} is not known; lower `recipe.lr`."]
    words = f"On the {known.facts['counts']['test']:,} test images, at which no choice has looked, it gets "
    words += (
        f"{score_words(row['mean'], known.metric)} (n = {row['n']} training{'s' * (row['n'] > 1)}{_interval(row)})."
    )
    return [words, *map(gain_sentence, (known.over_full, known.over_linear)), *_others(known)]


def _interval(row: Mapping[str, Any]) -> str:
    for low, high, over in (
        ("two_way_low", "two_way_high", "trainings and images"),
        ("ci_low", "ci_high", "trainings"),
    ):
        if not pd.isna(row.get(low)):
            low, high = max(row[low], 0.0), min(row[high], 1.0)
            return f"; 95 % interval over {over} {100 * low:.1f} to {percent(high)}"
    return ""


def _others(known: Known) -> list[str]:
    """The best layer alone, and what else was the best."""
    found, single = [], known.rows.get("best_layer")
    if single and len(known.tuning.layers) > 1 and not pd.isna(single["mean"]):
        alone = score_words(single["mean"], known.metric)
        found.append(f"The best single layer, `{single['layers']}`, alone gets {alone}.")
    if single and single["layers"] == known.chosen["layers"]:
        found.append("It is the best single layer; no second one was found that is sure to help.")
    finished = known.evaluation[known.evaluation["mean"].notna()]
    top = finished.loc[finished["mean"].idxmax()]
    alike = best_methods(known.evaluation)
    if top["mean"] > known.chosen["mean"] and top["method"] not in ("greedy", "full", "linear", "best_layer"):
        told = "but this is not told from chance" if "greedy" in alike else "which is more than chance"
        found.append(f"Your own `{top['method']}` (`{top['layers']}`) got {percent(top['mean'])}, {told}.")
    return found


def sureness(known: Known) -> list[str]:
    """How sure the choice of layers is, from cross-validation alone."""
    return [*_best_layer(known.profile), *_rounds(known), *_without_luck(known)]


def _best_layer(profile: pd.DataFrame) -> list[str]:
    chances = profile.set_index("layer")["p_best"].dropna().sort_values(ascending=False)
    if chances.empty:
        return ["How sure the best layer is cannot be told: the runs kept no answers of single images."]
    first, *others = [(name, chance) for name, chance in chances.items() if chance >= LEAST_CHANCE][:4] or [
        (chances.index[0], chances.iloc[0])
    ]
    words = f"Trained alone, `{first[0]}` is the best layer in {_share(first[1])} of resamples of the images"
    words += "".join(f"; `{name}` in {_share(chance)}" for name, chance in others)
    if "dropped" in profile and (left := int(profile["dropped"].sum())):
        words += f" ({left} that left the race early take no part in this)"
    if first[1] >= SETTLED:
        return [f"{words}."]
    return [f"{words}. Which single layer is best is not settled; any of these may be."]


def _share(chance: float) -> str:
    return f"{chance:.0%}".replace("%", " %")


def _rounds(known: Known) -> list[str]:
    """Each round's choice: its gain in cross-validation and whether it is kept."""
    table = known.greedy
    mine = table[table["chosen"] & (table["direction"] == known.selected["direction"]) & table["mean"].notna()]
    verb = {"forward": "adding", "backward": "removing"}[known.selected["direction"]]
    found = []
    for row in mine.to_dict("records"):
        gain = 100 * row["diff_previous"]
        words = f"Round {row['round']} of the search, {verb} `{row['layer']}`: {gain:+z.1f} points in cross-validation"
        if not pd.isna(row["diff_ci_low"]):
            low, high = 100 * row["diff_ci_low"], 100 * row["diff_ci_high"]
            words += f" (95 % interval {low:+z.1f} to {high:+z.1f}, the best of many candidates)"
        p = f" ({p_words(row['p'])} for its being of no use)" if not pd.isna(row["p"]) and row["kept"] else ""
        found.append(f"{words}: {'kept' if row['kept'] else 'not kept, as this may be luck'}{p}.")
    return found


def _without_luck(known: Known) -> list[str]:
    score, corrected = known.selected.get("score"), known.selected.get("corrected")
    if score is None or corrected is None:
        return []
    return [
        f"In cross-validation the chosen layers got {score_words(score, known.metric)}; less the luck of having been "
        f"the best of many, about {percent(corrected)}."
    ]


def costs(known: Known) -> list[str]:
    """Trained parameters, and the seconds of a training and of choosing."""
    row, full = known.chosen, known.rows["full"]
    found = [
        f"It trains {row['trained_percent']:.2g} % of the parameters ({int(row['trained_parameters']):,} of "
        f"{int(full['trained_parameters']):,}, the head included)."
    ]
    if cost := known.selected.get("cost"):
        what = "parameters" if cost["of"] == "parameters" else "operations, counted from the lowest of them on"
        found.append(
            f"The search minded what layers cost (`greedy.cost`): these have {100 * cost['share']:.2g} % of {what}."
        )
    if not pd.isna(row["seconds"]):
        words = f"One training took {_seconds(row['seconds'])}"
        words += "" if pd.isna(full["seconds"]) else f" (all layers: {_seconds(full['seconds'])})"
        found.append(f"{words}{_choosing(row)}.")
    return found


def _choosing(row: Mapping[str, Any]) -> str:
    runs, seconds = row.get("search_runs", np.nan), row.get("search_seconds", np.nan)
    if pd.isna(runs) or pd.isna(seconds):
        return ""
    return f"; choosing what to train took {int(runs):,} trainings, {time_words(seconds)} together"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else time_words(seconds)


def short(known: Known) -> str:
    """The answer in one line."""
    return f"{'/'.join(known.names)}: {headline(known).replace('**', '')} {verdict(known)}".rstrip()


def verdict(known: Known) -> str:
    """Whether that is better than fine-tuning everything and nothing, a sentence each; none of what is the same."""
    gains = [gain for gain in (known.over_full, known.over_linear) if gain.verdict != "same"]
    return " ".join(claim(gain) for gain in gains)


def claim(gain: Gain) -> str:
    """Whether it is better, in one sentence; not for what is the same."""
    better, worse = ("more accurate", "less accurate")
    if gain.metric != "accuracy":
        better, worse = f"better by {gain.metric}", f"worse by {gain.metric}"
    return {
        "better": f"It is {better} than {{}}.",
        "worse": f"It is {worse} than {{}}.",
        "tie": f"Whether it is {better} than {{}} is too close to call.",
        "few": "It was trained too few times to be compared with {}.",
        "diverged": "It cannot be compared with {}, as a training diverged.",
    }[gain.verdict].format(WITHOUT[gain.other])
