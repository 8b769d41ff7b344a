"""Mean ranks: textbook numbers, ties, what is left out, and the figure."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from subtuning.analysis.figures.ranks import ranks_figure
from subtuning.analysis.ranks import critical_difference, friedman, groups_alike, rank_notes, ranks_table, ranks_words

# Demsar (2006), table 6: AUC of four classifiers on 14 data sets
DEMSAR = np.array([
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
])  # fmt: skip


def items_of(scores, methods, **columns):
    """An item for each row of `scores`, blocks x methods."""
    for number, row in enumerate(scores):
        frame = pd.DataFrame({"method": methods, "mean": row} | columns)
        yield f"task{number}", "net", frame, pd.DataFrame()


def test_the_ranks_of_the_paper_that_proposed_them():
    table = ranks_table(list(items_of(DEMSAR, ["full", "m", "cf", "m_cf"]))).set_index("method")
    assert list(table.loc[["full", "m", "cf", "m_cf"], "mean_rank"].round(3)) == [3.143, 2.0, 2.893, 1.964]
    assert table.index[0] == "m_cf"
    assert critical_difference(30, 5) == pytest.approx(2.728 * (5 * 6 / 180) ** 0.5, abs=1e-3)  # q from its table 5
    assert critical_difference(14, 4) == pytest.approx(1.25, abs=0.01)
    row = table.loc["m"]
    assert (row["wins"], row["ties"], row["losses"]) == (10, 2, 2)
    assert row["p_wilcoxon"] < 0.05
    ties = 3 * (2**3 - 2) + (4**3 - 4)  # three pairs and a four, which that paper's 9.28 leaves out
    corrected = 9.28 / (1 - ties / (14 * (4**3 - 4)))
    assert row["p_friedman"] == friedman(DEMSAR) == pytest.approx(scipy.stats.chi2.sf(corrected, 3), rel=0.01)


def test_methods_that_are_not_everywhere_are_left_out():
    items = list(items_of([[0.9, 0.8, np.nan], [0.9, 0.7, 0.9], [0.8, 0.8, 0.9]], ["mine", "full", "diverged"]))
    table = ranks_table(items)
    assert list(table["method"]) == ["mine", "full"]
    assert list(table["mean_rank"]) == pytest.approx([(1 + 1 + 1.5) / 3, (2 + 2 + 1.5) / 3])
    assert table[["p_friedman", "critical_difference", "clear_wins"]].isna().all(axis=None)
    assert ranks_table(items[:2]).empty
    assert ranks_table([]).empty


def test_clear_wins_are_those_that_the_answers_carry():
    p = [0.001, np.nan, 0.2]
    table = ranks_table(list(items_of([[0.9, 0.8, 0.7]] * 3, ["a", "full", "b"], p_full_two_way=p))).set_index("method")
    assert tuple(table.loc["a", ["wins", "clear_wins", "clear_losses"]]) == (3, 3, 0)
    assert tuple(table.loc["b", ["losses", "clear_wins", "clear_losses"]]) == (3, 0, 0)


def test_equal_methods_are_not_told_apart():
    table = ranks_table(list(items_of([[0.9, 0.9, 0.9]] * 4, ["a", "full", "b"])))
    assert (table["p_friedman"] == 1).all()
    assert table.set_index("method").loc["a", "p_wilcoxon"] == 1
    assert groups_alike(list(table["mean_rank"]), table["critical_difference"][0]) == [(0, 2)]


def test_groups_are_the_longest():
    assert groups_alike([1.0, 1.5, 2.4, 4.0], 1.0) == [(0, 1), (1, 2)]
    assert groups_alike([1.0, 3.0], 1.0) == []


def test_too_few_blocks_are_said():
    few = ranks_table(list(items_of([[0.9, 0.8, 0.7]] * 3, ["a", "full", "b"])))
    assert "cannot carry a claim over tasks: Wilcoxon's p is never below 0.25" in rank_notes(few)[1]
    assert "cannot carry" not in "".join(rank_notes(ranks_table(list(items_of(DEMSAR, ["full", "m", "c", "d"])))))
    assert list(ranks_words(few)["mean rank"]) == ["1.00", "2.00", "3.00"]


def test_the_figure_names_every_method_by_rank():
    table = ranks_table(list(items_of(DEMSAR, ["full", "m", "cf", "m_cf"])))
    (axes,) = ranks_figure(table).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(table["method"])
    assert list(axes.lines[0].get_xdata()) == pytest.approx(list(table["mean_rank"]))
    assert any("critical difference 1.25" in text.get_text() for text in axes.texts)
    assert not ranks_figure(ranks_table([])).axes
