"""What was wrong with the images, as far as the conversion could see."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from subtuning.analysis.answer.gain import listing
from subtuning.tasks.copies import copy_sentences

UNEQUAL = 3
"""A largest class so many times the smallest is worth a word."""

SHARES = " The accuracy counts images, so large classes decide it (`search.metric` has others);"

FEW = 10
"""Fewer test images of a class say little about it."""


def data_sentences(facts: Mapping[str, Any], metric: str) -> list[str]:
    """Numbers of images and classes, unequal or hardly tested classes, copies, and the conversion's warnings.

    Args:
        facts: the content of task.json.
        metric: by which layers are chosen, in words.
    """
    learned = np.add(facts["label_counts"]["train"], facts["label_counts"]["val"])
    tested, classes = np.array(facts["label_counts"]["test"]), facts["classes"]
    sizes = f"{learned.min():,}" if np.ptp(learned) == 0 else f"{learned.min():,} to {learned.max():,}"
    found = [
        f"{int(learned.sum()):,} images of {len(classes):,} classes to learn from ({sizes} of each), "
        f"{int(tested.sum()):,} to test."
    ]
    if facts.get("multilabel"):
        learn, test = facts["counts"]["train"] + facts["counts"]["val"], facts["counts"]["test"]
        labels = f"each with any of {len(classes):,} labels ({sizes} images have each)"
        found = [f"{learn:,} images to learn from, {labels}, {test:,} to test."]
    some = np.flatnonzero(learned)
    if len(some) and learned.max() >= UNEQUAL * learned[some].min():
        large, small = int(learned.argmax()), int(some[learned[some].argmin()])
        found.append(
            f"The classes are unequal: `{classes[large]}` has {learned[large]:,} images, `{classes[small]}` has "
            f"{learned[small]:,}.{SHARES if metric == 'accuracy' else ''} classes.csv has each class."
        )
    few = np.flatnonzero((tested > 0) & (tested < FEW))
    if len(few):
        named = listing([f"`{classes[place]}` ({tested[place]})" for place in few], 4)
        found.append(f"Of {len(few):,} of {len(classes):,} classes there are fewer than {FEW} test images: {named}.")
    return found + [f"{text}." for text in [*facts.get("warnings", []), *copy_sentences(dict(facts))]]
