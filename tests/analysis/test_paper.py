"""The comparison as papers print it, and the sentence about two methods."""

import numpy as np
import pandas as pd
import pytest

from subtuning.analysis.compare import Method, comparison_sentence
from subtuning.analysis.paper import LATEX_COLUMNS, best_methods, paper_notes, paper_table, score_words, with_interval
from subtuning.analysis.summary import compact_table, write_formats
from subtuning.analysis.tables.evaluation import evaluation_table
from subtuning.errors import UserError
from subtuning.runs.predictions import pack
from subtuning.search.metrics import scored

LABELS = np.arange(500) % 3
METHODS = {"linear": ([], 0.6), "full": ("full", 0.80), "mine_1": (["a.0", "a.1"], 0.93), "alike": (["a.1"], 0.925)}


def records_of(make, methods=METHODS, seeds=5, predictions=True):
    """Test records whose predictions are right with a chance that depends on the image and the method."""
    rng = np.random.default_rng(0)
    easiness = rng.normal(size=len(LABELS))
    found = {}
    for method, (subset, accuracy) in methods.items():
        hits = rng.random((seeds, len(LABELS))) < np.clip(accuracy + 0.05 * easiness, 0, 1)
        found[method] = []
        for seed, right in enumerate(hits):
            said = {"predictions": pack(np.where(right, LABELS, (LABELS + 1) % 3))} if predictions else {}
            found[method].append(make.make_record(subset, float(right.mean()), seed=seed, **said))
    return found


def item(make, layers, **changes):
    return ("digits", "net", evaluation_table(records_of(make, **changes), layers, LABELS), pd.DataFrame())


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((0.965, 0.956, 0.974), "96.5 ± 0.9"),
        ((0.965, 0.949, 0.976), "96.5 [94.9, 97.6]"),
        ((0.575, 0.0, 1.0), "57.5 [0.0, 100.0]"),
        ((0.575, float("nan"), float("nan")), "57.5"),
    ],
)
def test_an_interval_is_printed_as_it_is(ends, words):
    assert with_interval(*ends) == words


def test_no_interval_of_the_tables_leaves_0_to_100(make, layers):
    """Two seeds that differ much: the t interval would reach from -380 to 530 %."""
    found = {"linear": [0.5, 0.5], "full": [0.4, 0.75], "mine": [0.99, 1.0]}
    subsets = {"linear": [], "full": "full", "mine": ["a.0"]}
    records = {n: [make.make_record(subsets[n], v, seed=i) for i, v in enumerate(own)] for n, own in found.items()}
    table = evaluation_table(records, layers).set_index("method")
    assert tuple(table.loc["full", ["ci_low", "ci_high"]]) == (0, 1)
    assert tuple(table.loc["full", ["diff_linear_ci_low", "diff_linear_ci_high"]]) == (-1, 1)
    assert score_words(table.loc["full"]) == "57.5 [0.0, 100.0]"


def test_the_best_and_those_not_told_from_it_are_bold(make, layers):
    items = [item(make, layers)]
    table = paper_table(items).set_index("method")
    assert best_methods(items[0][2]) == {"mine_1", "alike"}
    assert table["accuracy %"].str.startswith("**").to_dict() == {
        "linear": False, "full": False, "mine_1": True, "alike": True,
    }  # fmt: skip
    assert table.loc["mine_1", ["layers", "n"]].tolist() == ["a.0, a.1", "5 x 500"]
    assert table.loc["mine_1", "difference to full"].startswith("+1")
    assert table.loc["full", ["difference to full", "p (Holm)"]].tolist() == ["", ""]
    assert compact_table(items)["digits"].tolist() == table["accuracy %"].tolist()
    notes = paper_notes(items)
    assert notes[0].startswith("digits/net: 95 % intervals over 5 seeds and 500 test images; differences to full below")
    assert notes[-1].startswith("Bold: the best")


def test_runs_without_predictions_have_intervals_over_seeds_and_no_bold(make, layers):
    items = [item(make, layers, predictions=False)]
    assert best_methods(items[0][2]) == set()
    row = paper_table(items).set_index("method").loc["mine_1"]
    evaluated = items[0][2].set_index("method").loc["mine_1"]
    assert row["accuracy %"] == with_interval(evaluated["mean"], evaluated["ci_low"], evaluated["ci_high"])
    assert (row["p (Holm)"], row["n"]) == ("", "5")
    assert paper_notes(items) == ["digits/net: 95 % intervals over 5 seeds alone (runs without predictions)"]


def test_one_run_of_each_carries_no_claim(make, layers):
    items = [item(make, layers, seeds=1)]
    assert best_methods(items[0][2]) == set()
    assert paper_notes(items) == ["digits/net: one run of each method, so no interval; that carries no claim"]


def test_bold_in_each_format(make, layers, tmp_path):
    write_formats(paper_table([item(make, layers)]), tmp_path / "a", [], LATEX_COLUMNS)
    csv, markdown, latex = ((tmp_path / f"a.{kind}").read_text(encoding="utf-8") for kind in ("csv", "md", "tex"))
    assert "*" not in csv
    assert markdown.count("**") == 4
    assert latex.count(r"\textbf{9") == 2
    assert "*" not in latex
    assert r"mine\_1" in latex
    assert r"accuracy \%" in latex
    assert latex.count("{") == latex.count("}")
    assert r"\begin{tabular}{llllrrrrrrrr}" in latex
    assert latex.isascii()
    rows = [line for line in latex.splitlines() if line.endswith("\\\\")]
    assert len(rows) == 1 + len(METHODS)
    assert all(row.count(" & ") == 11 for row in rows)


def test_many_layers_are_counted(make, layers):
    from subtuning.analysis.paper import _layers

    assert _layers("a+b+c+d+e with lora(rank=4)") == "5 layers with lora(rank=4)"
    assert _layers("a+b with biases") == "a, b with biases"
    assert _layers("full") == "full"


def sentence(make, first, second, seeds=5, predictions=True, **changes):
    found = records_of(make, seeds=seeds, predictions=predictions)
    methods = [Method(name, [record | changes.get(name, {}) for record in found[name]]) for name in (first, second)]
    return comparison_sentence(*methods, LABELS)


def test_a_difference_that_carries_a_claim(make):
    words = sentence(make, "mine_1", "full")
    assert words.startswith("mine_1 is 13.0 ")
    assert "points more accurate than full (" in words
    assert "; 5 seeds, 500 test images), 95 % interval +" in words
    assert "(p = 0.062 by sign flips over the seeds, on these images alone)" in words
    assert words.endswith("that carries the claim that it is more accurate on other seeds and other such images.")
    assert "less accurate on other seeds" in sentence(make, "full", "mine_1")


def test_a_difference_that_carries_none(make):
    words = sentence(make, "alike", "mine_1")
    assert "that carries no claim: with so many runs, less than about" in words
    assert "one run of each does not show how much training varies" in sentence(make, "mine_1", "full", seeds=1)


def test_without_predictions_only_the_seeds_are_known(make):
    words = sentence(make, "mine_1", "full", predictions=False)
    assert "points over the seeds, p = 0.062 by sign flips" in words
    assert "that carries no claim" in words  # five seeds cannot have p < 0.05
    assert "on other seeds on these images" not in words


def test_what_cannot_be_compared(make):
    found = records_of(make)
    full = Method("full", found["full"])
    assert "they are the same runs" in comparison_sentence(full, Method("other", found["full"]), LABELS)
    with pytest.raises(UserError, match=r"mine_1: run .* diverged"):
        sentence(make, "mine_1", "full", mine_1={"status": "diverged", "metrics": None})
    later = [record | {"identity": record["identity"] | {"seed": 99}} for record in found["linear"][:1]]
    with pytest.raises(UserError, match="no seed in common"):
        comparison_sentence(full, Method("linear", later), LABELS)


def test_what_choosing_cost_stands_beside_what_training_cost(make, layers):
    task, backbone, evaluation, profile = item(make, layers)
    costs = {"lr": 9e-4, "search_seconds": 403.2, "search_flops": 9.07e12, "train_flops": 7.5e10}
    words = paper_table([(task, backbone, evaluation.assign(**costs), profile)]).iloc[1]
    assert (words["lr"], words["seconds: choose + train"], words["TFLOP: choose + train"]) == (
        "0.0009",
        "403 + 12",
        "9.07 + 0.075",
    )


def test_a_rate_at_the_edge_is_said(make, layers):
    task, backbone, evaluation, profile = item(make, layers)
    edges = evaluation.assign(lr=0.01, at_edge=evaluation["method"] == "full")
    notes = paper_notes([(task, backbone, edges, profile)])
    assert "digits/net: the best learning rate lies at the edge of what was tried for full (0.01)" in notes
    assert not [note for note in paper_notes([(task, backbone, evaluation, profile)]) if "edge" in note]


def test_another_metric_is_named_everywhere(make, layers):
    """Of 200 images 150 have class 0; the run that says so of all is 75 % right, with a mean recall of 50 %."""
    labels = (np.arange(200) >= 150).astype(int)
    subsets = {"linear": [], "full": "full", "mine": ["a.0"]}
    said = {"linear": np.zeros(200, int), "full": labels, "mine": np.where(np.arange(200) % 10, labels, 1 - labels)}
    found = {
        name: [
            scored(make.make_record(subsets[name], 0.5, seed=seed, predictions=pack(own)), "balanced_accuracy", labels)
            for seed in (0, 1)
        ]
        for name, own in said.items()
    }
    table = evaluation_table(found, layers, labels)
    assert (table["metric"] == "balanced_accuracy").all()
    assert table["mean"].tolist() == pytest.approx([0.5, 1, 0.9])
    assert table["diff_full"].tolist()[::2] == pytest.approx([-0.5, -0.1])
    assert table["two_way_low"].notna().all()
    assert "balanced accuracy %" in paper_table([("toy", "net", table, None)]).columns
    assert paper_notes([("toy", "net", table, None)])[0] == "Scores are balanced accuracy in percent"
    words = comparison_sentence(*(Method(name, found[name]) for name in ("mine", "full")), labels)
    assert "mine is 10.0 points lower in balanced accuracy than full (90.0 % against 100.0 %" in words
    mixed = [("toy", "net", table, None), ("toy", "net", table.assign(metric="accuracy"), None)]
    with pytest.raises(UserError, match="tables by accuracy, balanced_accuracy cannot be shown together"):
        paper_table(mixed)
    records = found | {"mine": [record | {"metric": "accuracy"} for record in found["mine"]]}
    with pytest.raises(ValueError, match="several metrics"):
        evaluation_table(records, layers, labels)
