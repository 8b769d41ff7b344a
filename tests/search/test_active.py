"""Active learning, on probabilities made by hand: who is asked, on what is trained, and what the table shows."""

import hashlib

import numpy as np
import pytest

from subtuning.analysis.figures.active import draw
from subtuning.analysis.tables.active import table
from subtuning.errors import UserError
from subtuning.runs import Split
from subtuning.runs.identity import canonical_json
from subtuning.runs.labelled import labelled_rows, labelled_text
from subtuning.search.experiments import active
from subtuning.search.study import Study
from subtuning.training.data import Images, images_of
from tests.search.test_tune import LAYERS
from tests.search.test_tune import SETTINGS as OF_TUNE
from tests.tiny import CPU, backbone, make_run, pictures

COUNT = 40
OPTIONS = {"labelled": [4, 8, 12], "acquire": ["margin", "random"], "train": ["a+b", "full"], "seeds": 2}
SETTINGS = OF_TUNE | {"search.metric": "accuracy", "experiments.active": OPTIONS}


def probabilities(record):
    """Image 0 is the most doubtful, then 1, and so on."""
    rest = labelled_rows(record["identity"]["labelled"], COUNT)[1]
    first = 0.5 + 0.01 * rest
    return np.stack([first, 1 - first, 0 * first], axis=1).astype(np.float16)


def study_of(rounds=9, diverged=None, **options):
    """A study of which runs on fewer than `rounds` x 4 labels are finished; more labels give higher scores."""

    def get(run):
        count = int(run.split.labelled, 16).bit_count()
        if count > 4 * rounds:
            return None
        done = not (diverged and diverged(run))
        return {
            "id": run.id, "identity": run.identity(), "names": {"task": "task", "backbone": "net"},
            "status": "done" if done else "diverged",
            "metrics": {"accuracy": 0.5 + 0.01 * count + 0.001 * run.seed} if done else None,
        }  # fmt: skip

    settings = SETTINGS | {"experiments.active": OPTIONS | options}
    return Study(settings, make_run(), LAYERS, get, None, probabilities, {"train": 30, "val": 10})


def labels(run):
    return labelled_rows(run.split.labelled, COUNT)[0].tolist()


def chain(study, acquire, seed=0):
    return [this for this in active.known_rounds(study) if this[:3] == ("full", acquire, seed)]


def test_each_round_asks_for_the_most_doubtful_images_of_the_pool():
    first, second, third = chain(study_of(), "margin")
    assert [len(labels(this.test)) for this in (first, second, third)] == [4, 8, 12]
    begun = set(labels(first.test))
    doubtful = [row for row in range(COUNT) if row not in begun]
    assert set(labels(second.test)) == begun | set(doubtful[:4])
    assert set(labels(third.test)) == begun | set(doubtful[:8])
    assert first.pool.split == Split("pool", labelled=first.test.split.labelled)
    assert third.pool is None


def test_all_acquisitions_of_a_seed_begin_with_the_same_images():
    study = study_of()
    assert labels(chain(study, "margin")[0].test) == labels(chain(study, "random")[0].test)
    assert labels(chain(study, "margin", 1)[0].test) != labels(chain(study, "margin", 0)[0].test)
    assert labels(chain(study, "margin")[1].test) != labels(chain(study, "random")[1].test)
    by_chance = [set(labels(this.test)) for this in chain(study, "random")]
    assert by_chance[0] < by_chance[1] < by_chance[2]


def test_doubt_is_what_its_name_says():
    shown = np.array([[0.5, 0.5, 0.0], [0.4, 0.3, 0.3], [1.0, 0.0, 0.0]])
    assert active.doubt("margin", shown).argsort().tolist() == [2, 1, 0]
    assert active.doubt("entropy", shown).argsort().tolist() == [2, 0, 1]
    assert active.doubt("entropy", shown)[2] == 0


def test_a_round_is_not_known_before_the_pool_is_scored():
    step = active.step("active", SETTINGS)
    wanted = step.wanted(study_of(rounds=0))
    assert {len(labels(run)) for run in wanted.runs} == {4}
    assert len(wanted.later) == 2 * 2 * 2 * 2 * 2  # tunings, acquisitions, seeds; two more rounds of two runs
    done = step.wanted(study_of())
    assert not done.later
    assert len(done.runs) == len(set(done.runs))
    with pytest.raises(UserError, match="is not finished"):
        table(study_of(rounds=1), step)


def test_a_chain_ends_with_a_diverged_run_and_has_no_numbers_after_it():
    study = study_of(diverged=lambda run: run.seed == 1 and len(labels(run)) == 8 and str(run.tuning) == "full")
    step = active.step("active", SETTINGS)
    assert not step.wanted(study).later
    rows = table(study, step).set_index(["train", "acquire", "labelled"])
    assert rows["mean"].isna().tolist() == [False] * 6 + [False, True, True] * 2
    assert rows.loc[("full", "margin", 12), "n"] == 1
    assert rows.loc[("a+b", "margin", 12), ["mean", "diff_random"]].tolist() == [pytest.approx(0.6205), 0]
    assert np.isnan(rows.loc[("a+b", "random", 12), "diff_random"])
    figure = draw(rows.reset_index(), LAYERS, "digits", "net")
    words = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert words == ["margin, a+b", "random, a+b", "margin, full", "random, full"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labelled": [8, 4]}, "active.labelled is [8, 4]; it must be a list of ascending whole numbers"),
        ({"acquire": ["luck"]}, "active.acquire is ['luck']; it must be a list of margin, entropy, random"),
        ({"train": []}, "active.train is []; it must be a list of layers or selectors"),
        ({"seeds": 0}, "active.seeds is 0; it must be a whole number from 1"),
    ],
)
def test_wrong_options_are_told(options, words):
    with pytest.raises(UserError) as told:
        active.names({"experiments.active": options})
    assert words in str(told.value)


def test_more_labels_than_images_are_told():
    trouble = active.step("active", SETTINGS).wanted(study_of(labelled=[4, 50])).trouble
    assert trouble == "experiments.active.labelled has 50, but the pool has 40 images"


def test_labelled_images_are_part_of_what_a_run_is():
    plain = make_run(split=Split("test"))
    run = make_run(split=Split("test", labelled=labelled_text(np.array([1, 3]), 5)))
    assert run.id != plain.id
    assert "labelled" not in plain.identity()
    assert run.id == hashlib.sha256(canonical_json(run.identity()).encode()).hexdigest()[:32]
    assert str(run) == "task/net linear, test after 2 labels, seed 0"


def test_a_run_is_trained_on_what_is_labelled_and_scored_on_the_rest():
    images = Images(*pictures(10), backbone(), CPU)
    train, pool = images_of(Split("pool", labelled=labelled_text(np.array([1, 3, 9]), 10)), images, None)
    assert train.chosen.tolist() == [1, 3, 9]
    assert pool.chosen.tolist() == [0, 2, 4, 5, 6, 7, 8]
