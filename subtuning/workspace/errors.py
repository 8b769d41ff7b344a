"""The errors of the chosen layers, as tables and figures, from the answers of finished runs."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from subtuning.analysis.errors.classes import classes_table, confusion
from subtuning.analysis.errors.mistakes import mistakes_table
from subtuning.analysis.figures.confusion import confusion_figure
from subtuning.analysis.figures.mistakes import SHOWN, mistakes_figure
from subtuning.analysis.figures.recalls import recalls_figure
from subtuning.analysis.figures.style import nothing_figure
from subtuning.search.select import select
from subtuning.search.steps import step_named
from subtuning.search.study import Settings, Study
from subtuning.workspace.answers import Answers, profile_answers, selection_answers, test_answers
from subtuning.workspace.pair import Pair

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNKNOWN = "Not known: a training diverged, or is of a version of subtuning that kept no predictions."

SEVERAL = (
    "An image may have several labels here, so none is taken for another; classes.csv has the recall of each label."
)


class Errors:
    """What the layers that the greedy search chose get wrong, on test and in cross-validation."""

    def __init__(self, pair: Pair, settings: Settings):
        self.pair, self.where, self.task = pair, ", ".join(pair.names), pair.task
        self.study: Study = pair.study(step_named("evaluation", settings), settings)
        tuning = select("greedy", self.study)
        assert tuning, "the evaluation comes after the search"
        self.layers = str(tuning)
        self.test = test_answers(self.study, "greedy", pair.store)
        self.full = test_answers(self.study, "full", pair.store)
        several = self.task.multilabel
        self.cv = None if several else selection_answers(self.study, tuning)
        self.everyone = None if several else profile_answers(self.study)
        self.unknown = SEVERAL if several else UNKNOWN
        self.held = (
            "val images" if settings["greedy.split"] == "val" else "train and val images, when they were held out"
        )

    @cached_property
    def classes(self) -> pd.DataFrame:
        """As `classes_table`: `chosen` and `full` layers on test, `cv` the chosen ones in cross-validation."""
        found = {"chosen": self.test, "full": self.full, "cv": self.cv}
        known = {name: (each.predicted, each.labels) for name, each in found.items() if each}
        pairs = [("chosen", "full")] if {"chosen", "full"} <= known.keys() else []
        return classes_table(self.task.classes, known, pairs)

    def mistakes(self) -> pd.DataFrame:
        """A row an image that is taken for another class (see `mistakes_table`): those of test by the chosen layers,
        those of train and val by all trainings of the profile."""
        tables = [self._mistakes(self.test).assign(part="test"), self._mistakes(self.everyone)]
        learned = tables[1]["row"] >= self.task.counts["train"]
        tables[1]["part"] = np.where(learned, "val", "train")
        tables[1]["row"] -= np.where(learned, self.task.counts["train"], 0)
        return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)

    def figures(self) -> "dict[str, Figure]":
        """Each by its name."""
        return {
            "confusion": self._confusion(self.test, "test images"),
            "confusion_cv": self._confusion(self.cv, self.held),
            "recalls": self._recalls(),
            "mistakes": self._sheet(
                self.test,
                "The most confident mistakes",
                f"Test images: their class, what they are taken for (→), and how sure `{self.layers}` is of that",
            ),
            "mistakes_cv": self._sheet(
                self.everyone,
                "Training images that are taken for another class",
                "Train and val images, when they were held out, and the share of all trainings of the profile that "
                "say so: where nearly all agree, look whether the label is right",
            ),
        }

    def _mistakes(self, found: Answers | None) -> pd.DataFrame:
        if found is None or self.task.multilabel:
            nothing = np.zeros((1, 0), np.int64)
            return mistakes_table(nothing, nothing[0], self.task.classes, [])
        table = mistakes_table(found.predicted, found.labels, self.task.classes, found.images, found.probabilities)
        return table.assign(row=found.rows[table["row"]])

    def _confusion(self, found: Answers | None, which: str) -> "Figure":
        title = f"What is taken for what: {self.where}"
        if found is None or self.task.multilabel:
            return nothing_figure(title, self.unknown)
        shares = confusion(found.predicted, found.labels, len(self.task.classes))
        runs, count = len(found.predicted), len(found.labels)
        words = f"{self.layers} on {count:,} {which}" + (f", mean of {runs} trainings" if runs > 1 else "")
        return confusion_figure(
            shares,
            self.task.classes,
            title,
            f"{words}. In percent of the images of a row; on the diagonal what is right.",
        )

    def _recalls(self) -> "Figure":
        title = f"Class by class: {self.where}"
        if self.test is None:
            return nothing_figure(title, UNKNOWN)
        words = f"{self.layers} on test images; 95% intervals over {len(self.test.predicted)} trainings and the images."
        if self.full is not None:
            words += " Filled on the right: a difference that is more than chance, corrected for the number of classes."
        return recalls_figure(self.classes, title, words)

    def _sheet(self, found: Answers | None, title: str, words: str) -> "Figure":
        title = f"{title}: {self.where}"
        if found is None or self.task.multilabel:
            return nothing_figure(title, self.unknown)
        rows = self._mistakes(found)
        count = f"{len(rows):,}" if len(rows) <= SHOWN else f"the first {SHOWN} of {len(rows):,}"
        images = [self._image(int(row), found is self.test) for row in rows["row"][:SHOWN]]
        return mistakes_figure(rows.to_dict("records"), images, title, f"{words} ({count}).".replace("`", ""))

    def _image(self, row: int, of_test: bool) -> Any:
        if of_test:
            return self.task.part("test")[0][row]
        count = self.task.counts["train"]
        part, row = ("train", row) if row < count else ("val", row - count)
        return self.task.part(part)[0][row]
