"""What a method gets wrong: recalls, confusions, mistakes, and their figures."""

import numpy as np
import pytest
import scipy

from subtuning.analysis.errors.classes import classes_table, common_mistakes, confusion, recall_interval
from subtuning.analysis.errors.mistakes import mistakes_table
from subtuning.analysis.figures.confusion import READABLE, confusion_figure, short
from subtuning.analysis.figures.mistakes import SHOWN, mistakes_figure
from subtuning.analysis.figures.recalls import MOST, recalls_figure
from subtuning.analysis.figures.style import nothing_figure, save
from subtuning.analysis.two_way import accuracy_interval

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
PREDICTED = np.array([[0, 0, 0, 1, 1, 1, 0, 1], [0, 0, 1, 1, 1, 1, 1, 1]])


def answers(classes, images=20, seeds=3, right=0.8):
    rng = np.random.default_rng(classes)
    labels = np.arange(images * classes) % classes
    wrong = (labels + rng.integers(1, classes, (seeds, len(labels)))) % classes
    return np.where(rng.random(wrong.shape) < right, labels, wrong), labels


def test_confusion_is_in_shares_of_a_row():
    shares = confusion(PREDICTED, LABELS, 3)
    assert shares[:2].tolist() == [[5 / 8, 3 / 8, 0], [1 / 8, 7 / 8, 0]]
    assert np.isnan(shares[2]).all(), "no image of the class"


def test_common_mistakes_are_the_largest_first_and_no_more_than_there_are():
    found = common_mistakes(confusion(PREDICTED, LABELS, 3), ["a", "b", "c"], 9)
    assert found == [("a", "b", 3 / 8), ("b", "a", 1 / 8)]


def test_recall_intervals():
    hits = (PREDICTED == LABELS)[:, :4]
    both = accuracy_interval(hits)
    assert recall_interval(hits) == (both.mean, both.low, both.high)
    wilson = scipy.stats.binomtest(3, 4).proportion_ci(method="wilson")
    assert recall_interval(hits[:1]) == (0.75, wilson.low, wilson.high)
    assert np.isnan(recall_interval(hits[:, :0])).all()
    assert recall_interval(hits[:, :1])[0] == 1
    assert np.isnan(recall_interval(hits[:, :1])[1:]).all(), "one image does not show how images vary"


def test_a_row_a_class():
    other = np.roll(PREDICTED, 1, axis=1)
    found = {"chosen": (PREDICTED, LABELS), "full": (other, LABELS)}
    table = classes_table(["a", "b", "c"], found, [("chosen", "full")])
    assert list(table["chosen_images"]) == [4, 4, 0]
    assert table["chosen_recall"][0] == 5 / 8
    recalls = table["chosen_recall"] - table["full_recall"]
    assert list(table["chosen_less_full"][:2]) == pytest.approx(list(recalls[:2]))
    assert table.loc[2, "chosen_recall":"chosen_high"].isna().all()
    assert np.isnan(table["chosen_less_full"][2])
    assert (table["chosen_less_full_p"][:2] >= 0).all()


def test_mistakes_are_the_most_confident_first_with_their_names():
    probabilities = np.array([[0.6, 0.4], [0.1, 0.9], [0.3, 0.7], [0.2, 0.8]])
    predicted = np.array([[0, 1, 1, 1], [0, 1, 1, 0]])
    table = mistakes_table(predicted, np.array([0, 0, 0, 0]), ["cat", "dog"], ["a", "b", "c", 3], probabilities)
    assert list(table["image"]) == ["b", "3", "c"]
    assert list(table["row"]) == [1, 3, 2]
    assert list(table["probability"]) == [0.9, 0.8, 0.7]
    assert list(table["label_probability"]) == pytest.approx([0.1, 0.2, 0.3])
    assert set(table["predicted"]) == {"dog"}
    assert list(table["wrong"]) == [2, 1, 2], "of the runs"


def test_mistakes_without_probabilities_have_the_share_of_runs():
    table = mistakes_table(np.array([[1], [1], [0]]), np.array([0]), ["cat", "dog"], ["a"])
    assert table["probability"][0] == pytest.approx(2 / 3)


def whole(figure):
    """Whether no text leaves the figure."""
    figure.draw_without_rendering()
    box = figure.bbox.padded(1)
    texts = [
        text
        for axes in figure.axes
        for text in (*axes.texts, axes.title, *(axes.get_yticklabels() if axes.axison else ()))
    ]
    boxes = [text.get_window_extent() for text in (*texts, *figure.texts) if text.get_text() and text.get_visible()]
    return all(box.x0 <= b.x0 and b.x1 <= box.x1 and box.y0 <= b.y0 and b.y1 <= box.y1 for b in boxes)


@pytest.mark.parametrize("count", [2, 10, 37, 100])
def test_figures_of_few_and_many_classes(count):
    names = [f"a class with a long name {number}" for number in range(count)]
    predicted, labels = answers(count)
    found = {"chosen": (predicted, labels), "full": (np.roll(predicted, 1, axis=0), labels)}
    shares = confusion(predicted, labels, count)
    figure = confusion_figure(shares, names, "title", "subtitle")
    assert whole(figure)
    assert (len(figure.axes) > 1) == (count > READABLE)
    figure = recalls_figure(classes_table(names, found, [("chosen", "full")]), "title", "subtitle")
    assert whole(figure)
    assert [len(axes.get_yticks()) for axes in figure.axes] == [min(count, MOST)] * 2
    assert next(text.get_text() for text in figure.axes[0].get_yticklabels()) == short(
        names[int(np.argmin(np.diag(shares)))]
    )


def test_recalls_of_the_chosen_layers_alone():
    predicted, labels = answers(3)
    figure = recalls_figure(classes_table(list("abc"), {"chosen": (predicted, labels)}), "title", "subtitle")
    assert len(figure.axes) == 1


@pytest.mark.parametrize(("count", "shape"), [(0, (8, 8, 1)), (3, (8, 8, 1)), (40, (30, 70, 3))])
def test_a_contact_sheet(count, shape, tmp_path):
    row = {
        "label": "a class with a very long name",
        "predicted": "another one, longer than the other",
        "image": "x/y.png",
    }
    rows = [row | {"probability": 0.9}] * count
    figure = mistakes_figure(rows, [np.full(shape, 100, np.uint8)] * min(count, SHOWN), "title", "subtitle")
    assert len(figure.axes) == min(count, SHOWN)
    assert whole(figure)
    boxes = [text.get_window_extent() for axes in figure.axes for text in axes.texts]
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])
    shown = [text.get_text() for text in figure.axes[0].texts] if count else [figure.texts[-1].get_text()]
    assert ("y.png" in shown) == bool(count)
    assert ("None." in shown) == (not count)
    save(figure, tmp_path / "a.svg", tmp_path / "a.png", dpi=40)
    assert (tmp_path / "a.png").stat().st_size


def test_a_figure_that_says_why_there_is_nothing():
    assert "diverged" in [text.get_text() for text in nothing_figure("title", "diverged").texts]
