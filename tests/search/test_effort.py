"""Fast searches: what they ask for, job by job, and what the profile says of a layer that left the race."""

import pytest

from subtuning.search import racing
from subtuning.search.effort import ask
from subtuning.search.experiments import greedy, profile
from subtuning.search.study import share
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, Tuning
from tests.search.test_stopping import right, study

ANSWERS = {"linear": right((0, 100)), "b": right((0, 150)), "a": right((0, 148)), "tail": right((0, 140))}
ANSWERS |= {"a+b": right((0, 170)), "b+tail": right((0, 160))}
SETTINGS = {"search.effort": "fast", "profile.folds": 4, "greedy.folds": 4, "profile.shards": 1}


def fast(**settings):
    """A fast study of which nothing is finished, and how to finish a run of it."""
    found = study(ANSWERS, **SETTINGS | settings)
    finished, get = set(), found.get
    found.get = lambda run: get(run) if run in finished else None
    return found, finished


def train(study, finished, wanted, shards=1):
    """Each job trains its share until it asks for nothing new, one job after the other, as they may come."""
    for job in range(shards):
        while new := set(share(wanted(study).runs, job, shards)) - finished:
            finished |= new


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_jobs_finish_a_profile_whose_layers_race(shards):
    """Linear probing and full fine-tuning run in all folds; each job's best layer does, others in one at least."""
    found, finished = fast(**{"profile.shards": shards})
    step = profile.step("profile", found.settings)
    assert step.wanted(found).later, "before the first fold nobody knows who goes on"
    train(found, finished, step.wanted, shards)
    wanted = step.wanted(found)
    assert set(wanted.runs) == finished
    assert not wanted.later
    folds = {tuning: len(own) for tuning, own in profile.measured(found).items()}
    assert folds[ONLY_HEAD] == folds[EVERYTHING] == folds[Tuning(("b",))] == 4
    assert folds[Tuning(("c",))] == 1 if shards == 1 else min(folds.values()) >= 1
    everything = [record for own in profile.measured(found).values() for record in own]
    assert profile.best_layer(everything, found.layers) == "b"


@pytest.mark.parametrize("shards", [1, 2])
def test_jobs_finish_a_round_and_its_first_is_the_profiles(shards, monkeypatch):
    monkeypatch.setattr(racing, "LEAST", 1)
    found, finished = fast(**{"profile.shards": shards, "greedy.shards": shards})
    train(found, finished, profile.step("profile", found.settings).wanted, shards)
    before = set(finished)
    train(found, finished, lambda study: greedy.wanted(study, "forward", 1), shards)
    if shards == 1:
        assert finished == before, "the race of the first round is the profile's"
    train(found, finished, lambda study: greedy.wanted(study, "forward", 2), shards)
    second = greedy.rounds(found, "forward", 2)[1]
    assert second["choice"] == "a"
    rows = {
        candidate["layer"]: (len(candidate["scores"]), candidate.get("dropped")) for candidate in second["candidates"]
    }
    assert rows["a"] == (4, None)
    assert rows["stem"] == (0, True) or rows["c"] == (0, True), "the worst of the first round is not even tried"
    assert greedy.conclude(found)["tuning"] == "a+b", "with what was not tried as no rival"


def test_full_effort_asks_for_everything_at_once():
    found = study(ANSWERS, **SETTINGS | {"search.effort": "full"})
    some = [ONLY_HEAD, Tuning(("a",))]
    wanted, runs = ask(found, some, some[:1], greedy.splits(found.settings), "profile.shards")
    assert (len(wanted.runs), wanted.later) == (8, [])
    assert [len(own) for own in runs.values()] == [4, 4]
