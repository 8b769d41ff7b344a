"""Metrics of stored predictions: by hand, against scikit-learn, and as what a search chooses by."""

import numpy as np
import pytest
from sklearn import metrics as known

from subtuning.errors import UserError
from subtuning.runs import Split
from subtuning.runs.predictions import pack
from subtuning.search.answers import answers_of
from subtuning.search.experiments import greedy
from subtuning.search.metrics import METRICS, balanced_accuracy, macro_f1, quadratic_kappa, scored, scored_labels
from subtuning.search.probability_metrics import PROBABILITY_METRICS, auroc, mean_average_precision
from subtuning.search.scores import fold_scores
from subtuning.search.study import Study
from tests.search.test_search import LAYERS
from tests.search.test_stopping import SETTINGS
from tests.tiny import make_run

FROM_SKLEARN = {
    "accuracy": known.accuracy_score,
    "balanced_accuracy": known.balanced_accuracy_score,
    "macro_f1": lambda y, p, **more: known.f1_score(y, p, labels=np.unique(y), average="macro", **more),
    "quadratic_kappa": lambda y, p, **more: known.cohen_kappa_score(y, p, weights="quadratic", **more),
}

LABELS = np.array([0, 0, 0, 0, 1, 1])
SAID = np.array([0, 0, 0, 1, 1, 0])


def unequal(count=300, seed=0):
    """Labels of a common and three rare classes, and answers of which some name a class without images."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(4, count, p=[0.6, 0.25, 0.1, 0.05])
    return labels, np.where(rng.random(count) < 0.6, labels, rng.integers(0, 5, count))


def test_metrics_by_hand():
    """Recalls 3/4 and 1/2; F1 6/8 and 2/4; squared distances 2/6, by chance 4/6 x 2/6 + 2/6 x 4/6."""
    assert METRICS["accuracy"](LABELS, SAID).tolist() == [1, 1, 1, 0, 1, 0]
    assert balanced_accuracy(LABELS, SAID).mean() == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert macro_f1(LABELS, SAID).mean() == pytest.approx((6 / 8 + 2 / 4) / 2)
    assert quadratic_kappa(LABELS, SAID).mean() == pytest.approx(1 - (2 / 6) / (4 / 9))


def test_what_an_image_adds_by_hand():
    """Of its distance to the recall, an image of the rare class adds 6 / (2 x 2), of the common one 6 / (2 x 4)."""
    added = balanced_accuracy(LABELS, SAID) - 0.625
    assert added == pytest.approx([0.75 * 0.25, 0.75 * 0.25, 0.75 * 0.25, -0.75 * 0.75, 1.5 * 0.5, -1.5 * 0.5])


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_those_of_scikit_learn(name):
    labels, said = unequal()
    assert METRICS[name](labels, said).mean() == pytest.approx(FROM_SKLEARN[name](labels, said), abs=1e-12)


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
@pytest.mark.parametrize("name", METRICS)
def test_what_an_image_adds_is_the_derivative_by_its_weight(name):
    labels, said = unequal()
    found, step = METRICS[name](labels, said), 1e-5
    for image in range(0, 300, 29):
        ends = []
        for sign in (1, -1):
            weights = np.ones(300)
            weights[image] += sign * step
            ends.append(FROM_SKLEARN[name](labels, said, sample_weight=weights))
        assert found[image] - found.mean() == pytest.approx(300 * (ends[0] - ends[1]) / (2 * step), abs=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_its_spread_over_images_is_that_of_a_bootstrap(name):
    labels, said = unequal()
    rng = np.random.default_rng(1)
    drawn = [METRICS[name](labels[i], said[i]).mean() for i in rng.integers(300, size=(400, 300))]
    assert METRICS[name](labels, said).std() / 300**0.5 == pytest.approx(np.std(drawn), rel=0.12)


def test_kappa_of_one_class_shows_nothing():
    assert not quadratic_kappa(np.ones(3, int), np.ones(3, int)).any()


class OneTask:
    """A task of 60 images of class 0 and 20 of class 1, of which every second one is a fold."""

    labels = np.repeat([0, 1], [60, 20])

    def part(self, name):
        return None, self.labels[:50] if name == "train" else self.labels[50:]

    def folds(self, count):
        return [(np.arange(80)[1 - fold :: 2], np.arange(80)[fold::2]) for fold in range(count)]


SAYS = {"a": np.zeros(80, int), "b": np.where(np.arange(80) % 8 < 3, 1 - OneTask.labels, OneTask.labels)}
"""Layer a: always the common class, 75 % right, and recalls 1 and 0. Layer b: 62.5 % right in both."""


def study(metric, without=()):
    def get(run):
        said = SAYS.get(str(run.tuning), np.ones(80, int))
        fold = slice(run.split.fold, None, 2)
        right = (said == OneTask.labels)[fold]
        metrics = {"accuracy": float(right.mean()), "n": 40, "hits": np.packbits(right).tobytes().hex()}
        record = {"id": run.id, "identity": run.identity(), "status": "done", "metrics": metrics}
        record["predictions"] = pack(said[fold])
        return {key: value for key, value in record.items() if key not in without}

    settings = SETTINGS | {"search.metric": metric, "greedy.stop": "epsilon", "greedy.max_rounds": 1}
    return Study(settings, make_run(), LAYERS, get, OneTask())


def test_the_metric_chooses_the_layer():
    by_accuracy, by_recall = (greedy.conclude(study(metric)) for metric in ("accuracy", "balanced_accuracy"))
    assert (by_accuracy["tuning"], by_accuracy["score"]) == ("a", 0.75)
    assert (by_recall["tuning"], by_recall["score"]) == ("b", pytest.approx(0.625, abs=0.03))
    assert [greedy.rounds(study(metric), "forward", 1)[0]["metric"] for metric in METRICS] == [*METRICS]


def test_answers_of_a_metric_are_what_images_add():
    runs = [make_run(("a",), split=Split("cv", 2, fold)) for fold in (0, 1)]
    records = study("macro_f1").require(runs)
    of_folds = [macro_f1(OneTask.labels[fold::2], SAYS["a"][fold::2]) for fold in (0, 1)]
    assert answers_of(records) == pytest.approx(np.concatenate(of_folds), rel=1e-6)
    assert fold_scores(records) == pytest.approx([added.mean() for added in of_folds])


def test_the_labels_are_those_of_the_scored_images():
    assert (scored_labels(OneTask(), Split("cv", 2, 1)) == OneTask.labels[1::2]).all()
    assert (scored_labels(OneTask(), Split("val")) == OneTask.labels[50:]).all()


def test_runs_without_predictions_are_one_sentence():
    words = r"search\.metric is macro_f1, and run \w+ is of a version of subtuning that left no predictions"
    with pytest.raises(UserError, match=words):
        greedy.conclude(study("macro_f1", without=["predictions"]))
    diverged = scored({"status": "diverged", "metrics": None}, "macro_f1", LABELS)
    assert diverged == {"status": "diverged", "metrics": None, "metric": "macro_f1"}


def unsure(several, count=300, seed=0):
    """Labels, N or N x C, and probabilities that know something of them, with ties; one class has no image."""
    rng = np.random.default_rng(seed)
    own = rng.random((count, 4)) < [0.5, 0.2, 0.1, 0.0] if several else np.eye(4, dtype=int)[unequal(count)[0] % 3]
    given = np.round(rng.random((count, 4)) + 0.5 * own, 2)
    given = given / 1.5 if several else given / given.sum(1, keepdims=True)
    return (own.astype(np.uint8) if several else own.argmax(1)), given


def from_sklearn(name, labels, given, **more):
    """scikit-learn's metric of each class that has images, averaged."""
    own = labels if labels.ndim == 2 else labels[:, None] == np.arange(4)
    found = {"auroc": known.roc_auc_score, "mean_average_precision": known.average_precision_score}[name]
    return np.mean([found(own[:, c], given[:, c], **more) for c in range(4) if own[:, c].any()])


BOTH = pytest.mark.parametrize("several", [False, True])
OF_PROBABILITIES = pytest.mark.parametrize("name", PROBABILITY_METRICS)


def test_metrics_of_probabilities_by_hand():
    """Above the three images of the class are 0, 1 and 2 others: precisions 1, 2/3 and 3/5; of 9 pairs 6 are right, the
    last image being tied with nothing."""
    labels, given = np.array([[1], [0], [1], [0], [1], [0]]), np.linspace(0.9, 0.1, 6)[:, None]
    assert mean_average_precision(labels, given).mean() == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert auroc(labels, given).mean() == pytest.approx(6 / 9)
    assert auroc(labels, np.full((6, 1), 0.5)).mean() == 0.5
    assert mean_average_precision(labels, np.full((6, 1), 0.5)).mean() == 0.5, "all have as much"


@BOTH
@OF_PROBABILITIES
def test_metrics_of_probabilities_are_those_of_scikit_learn(name, several):
    labels, given = unsure(several)
    assert PROBABILITY_METRICS[name](labels, given).mean() == pytest.approx(
        from_sklearn(name, labels, given), abs=1e-12
    )


@BOTH
@OF_PROBABILITIES
def test_what_an_image_adds_to_them_is_the_derivative_by_its_weight(name, several):
    labels, given = unsure(several)
    found, step = PROBABILITY_METRICS[name](labels, given), 1e-5
    for image in range(0, 300, 37):
        weights = [np.ones(300), np.ones(300)]
        weights[0][image] += step
        weights[1][image] -= step
        more, less = (from_sklearn(name, labels, given, sample_weight=own) for own in weights)
        assert found[image] - found.mean() == pytest.approx(300 * (more - less) / (2 * step), abs=1e-6)


@OF_PROBABILITIES
def test_their_spread_over_images_is_that_of_a_bootstrap(name):
    labels, given = unsure(several=True)
    rng = np.random.default_rng(1)
    drawn = [PROBABILITY_METRICS[name](labels[i], given[i]).mean() for i in rng.integers(300, size=(300, 300))]
    assert PROBABILITY_METRICS[name](labels, given).std() / 300**0.5 == pytest.approx(np.std(drawn), rel=0.12)


def test_macro_f1_of_several_labels_is_that_of_scikit_learn():
    labels, given = unsure(several=True)
    said, some = given > 0.5, labels.any(0)
    of_sklearn = known.f1_score(labels[:, some], said[:, some], average="macro")
    assert macro_f1(labels, said).mean() == pytest.approx(of_sklearn, abs=1e-12)
    weights = np.ones(300)
    weights[7] += 1e-6
    moved = known.f1_score(labels[:, some], said[:, some], average="macro", sample_weight=weights)
    assert macro_f1(labels, said)[7] - of_sklearn == pytest.approx(300 * (moved - of_sklearn) / 1e-6, abs=1e-3)


def test_metrics_that_show_nothing():
    nothing = np.zeros((3, 2), np.uint8)
    assert (auroc(nothing, np.ones((3, 2))) == 0.5).all()
    assert not mean_average_precision(nothing, np.ones((3, 2))).any()
    assert not macro_f1(nothing, nothing > 0).any()


def test_what_a_run_cannot_be_scored_by_is_one_sentence():
    record = {"id": "a1", "names": {"task": "birds"}, "status": "done", "metrics": {}, "predictions": pack(SAID)}
    with pytest.raises(UserError, match=r"search\.metric is auroc, and run a1 left no probabilities"):
        scored(record, "auroc", LABELS, lambda record: None)
    with pytest.raises(UserError, match=r"task birds: its images may have several labels, which search\.metric 'quadr"):
        scored(record, "quadratic_kappa", np.zeros((6, 2)))
