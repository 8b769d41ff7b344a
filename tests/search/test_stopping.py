"""Which rounds of a greedy search are kept: each rule on answers by hand, and on records in a store."""

from itertools import pairwise
from math import comb

import numpy as np
import pytest

from subtuning.runs import Split
from subtuning.search.answers import answers_of, best_of
from subtuning.search.experiments import greedy
from subtuning.search.stopping import Tried, by_one_se, by_test, lead_p, p_values
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning
from tests.search.test_search import LAYERS
from tests.tiny import make_run

N = 200
SETTINGS = {"greedy.folds": 2, "greedy.split": "cv", "greedy.shards": 1, "greedy.start": "linear"}
SETTINGS |= {"greedy.max_rounds": 2, "greedy.epsilon": 0.0, "greedy.stop": "test"}
SETTINGS |= {"search.effort": "full", "search.seeds": 1}


def right(*spans):
    """N answers, right in these spans."""
    found = np.zeros(N, np.float32)
    for first, end in spans:
        found[first:end] = 1
    return found


def one(base, *candidates, best=0):
    return Tried(base, np.stack(candidates), best)


def record_of(run, answers, without=()):
    """The record of a run whose fold is every second image."""
    bits = answers[run.split.fold :: 2].astype(np.uint8)
    metrics = {"accuracy": float(bits.mean()), "n": len(bits), "hits": np.packbits(bits).tobytes().hex()}
    metrics = {key: value for key, value in metrics.items() if key not in without}
    return {"id": run.id, "identity": run.identity(), "status": "done", "metrics": metrics}


def study(answers, without=(), **settings):
    """A study whose runs are all finished: {printed name: its answers}, any other is never right."""

    def get(run):
        return record_of(run, answers.get(str(run.tuning), np.zeros(N)), without)

    return Study(SETTINGS | settings, make_run(), LAYERS, get)


LINEAR = right((0, 100))
CLEARLY = right((0, 140))
BARELY = right((0, 140), (150, 152))
SEARCH = {"linear": LINEAR, "b": CLEARLY, "a+b": BARELY}


def test_with_one_rival_it_is_mcnemars_test():
    """30 images are won and 14 lost: against the exact sum of binomials."""
    base, rival = right((0, 14)), right((14, 44))
    exact = sum(comb(44, k) for k in range(30, 45)) / 2**44
    assert lead_p(base, rival[None], 0) == pytest.approx(exact, abs=0.006)


def test_of_many_rivals_one_leads_by_luck():
    rng = np.random.default_rng(0)
    base, rivals = rng.integers(0, 2, N), rng.integers(0, 2, (16, N))
    best = int(rivals.sum(axis=1).argmax())
    alone = lead_p(base, rivals[[best]], 0)
    among = lead_p(base, rivals, best)
    assert alone < among <= 1 - (1 - alone) ** 16 + 0.02, "no more than if they were independent"
    assert lead_p(base, np.repeat(rivals[[best]], 16, axis=0), 3) == pytest.approx(alone, abs=0.01), (
        "one rival, 16 times"
    )


def test_the_same_answers_are_no_lead():
    assert lead_p(LINEAR, LINEAR[None], 0) == 1


def test_the_folds_that_a_dropped_rival_lacks_count_as_those_that_it_has():
    rng = np.random.default_rng(1)
    base, rivals = rng.integers(0, 2, N), rng.integers(0, 2, (8, N)).astype(float)
    best = int(rivals.sum(axis=1).argmax())
    half = rivals.copy()
    half[np.arange(8) != best, N // 2 :] = np.nan
    assert lead_p(base, half, best) == pytest.approx(lead_p(base, rivals, best), abs=0.05)


def test_the_test_keeps_what_is_clear_and_not_what_is_not():
    clear, unclear = one(LINEAR, CLEARLY, LINEAR), one(CLEARLY, BARELY, LINEAR)
    assert by_test([clear]) == 1
    assert by_test([unclear]) == 0
    assert by_test([clear, unclear]) == 1
    assert p_values([clear, unclear])[0] < 0.001 < 0.05 < p_values([clear, unclear])[1]
    assert len(p_values([unclear, unclear])) == 1, "what comes after the first that is not clear is of no account"
    assert by_test([]) == 0


def test_several_small_steps_are_clear_together():
    """Four more right answers a round: no round is significant, the end is."""
    path = [right((0, 100 + 4 * number)) for number in range(4)]
    rounds = [one(before, after) for before, after in pairwise(path)]
    assert [by_test([this]) for this in rounds] == [0, 0, 0]
    assert by_test(rounds) == 2, "of the last step alone that cannot be said"


def test_a_base_that_diverged_is_left_behind():
    assert by_test([one(None, CLEARLY)]) == by_one_se([one(None, CLEARLY)]) == 1


def test_one_standard_error_is_that_of_the_paired_difference():
    """One answer more is one standard error of itself, but for (1 - 1/N); of four, sqrt(4)."""
    assert by_one_se([one(LINEAR, right((0, 101)))]) == 1
    assert by_one_se([one(LINEAR, right((0, 99), (100, 102)))]) == 0, "two won, one lost: 1 within sqrt(3)"
    assert by_one_se([one(LINEAR, CLEARLY), one(CLEARLY, right((0, 138), (140, 143)))]) == 1


def test_answers_come_in_the_order_of_folds_and_are_means_over_seeds():
    runs = [make_run(seed=seed, split=Split("cv", 2, fold)) for fold, seed in [(1, 0), (0, 1), (0, 0), (1, 1)]]
    seen = {0: np.array([1, 0, 1, 1]), 1: np.array([1, 1, 0, 1])}  # fold 0 has images 0 and 2
    found = answers_of([record_of(run, seen[run.seed]) for run in runs])
    assert found.tolist() == [1, 0.5, 0.5, 1]
    assert answers_of([record_of(runs[0], seen[0], without=["hits"])]) is None
    assert answers_of([{"identity": runs[0].identity(), "metrics": None}]) is None


def test_answers_of_the_test_set_are_refused():
    run = make_run(split=Split("test"))
    with pytest.raises(ValueError, match="answers of the test set"):
        answers_of([{"identity": run.identity(), "metrics": {"n": 1, "hits": "80"}}])


def test_chances_of_three_images_by_hand():
    """The first is right on image 0, the second on 1 and 2: of the 27 draws of three images the first wins those with
    image 0 twice or thrice, 7 of 27."""
    found = best_of(np.array([[1, 0, 0], [0, 1, 1]], np.float32), 20_000)
    assert found.chances == pytest.approx([7 / 27, 20 / 27], abs=0.01)
    assert found.chances.sum() == pytest.approx(1)


def test_one_tuning_has_no_luck_and_many_of_chance_have_it():
    rng = np.random.default_rng(2)
    coins = rng.integers(0, 2, (16, 300)).astype(np.float32)
    best = coins.mean(axis=1).max()
    assert best_of(coins[:1]).corrected == pytest.approx(coins[0].mean(), abs=0.002)
    assert best > 0.54 > best_of(coins).corrected > 0.46


@pytest.mark.parametrize(("stop", "kept"), [("test", "b"), ("one_se", "a+b"), ("epsilon", "a+b")])
def test_each_rule_on_a_finished_search(stop, kept):
    found = greedy.conclude(study(SEARCH, **{"greedy.stop": stop}))
    assert (found["tuning"], found["rule"]) == (kept, stop)
    assert found["score"] == {"b": 0.7, "a+b": 0.71}[kept]
    assert found["corrected"] == pytest.approx(found["score"], abs=0.01)
    assert "note" not in found


def test_the_rounds_say_the_rule_and_its_p():
    first, second = greedy.decided(study(SEARCH))["forward"]
    assert (first["stopped"], second["stopped"]) == (False, True)
    assert first["p"] < 0.05 < second["p"]
    assert first["rule"] == second["rule"] == "test"
    played = greedy.rounds(study(SEARCH), "forward", 2)
    assert [this["stopped"] for this in played] == [False, False], "the search itself went on"


def test_epsilon_holds_whatever_the_rule_is():
    found = greedy.conclude(study(SEARCH, **{"greedy.epsilon": 0.3}))
    assert (found["tuning"], found["rounds"], found["corrected"]) == ("linear", 0, None)


def test_records_without_answers_leave_it_to_epsilon_and_say_so():
    found = greedy.conclude(study(SEARCH, without=["hits"]))
    assert (found["tuning"], found["rule"], found["corrected"]) == ("a+b", "epsilon", None)
    assert "kept no answers" in found["note"]


def test_a_removed_layer_needs_no_proof():
    found = greedy.conclude(study({"full": LINEAR, "stem+a+c+pool+tail": right((0, 101))}, **{"greedy.start": "full"}))
    assert (found["tuning"], found["rule"]) == ("stem+a+c+pool+tail", "epsilon")


def test_seeds_are_asked_for_and_averaged():
    both = study(SEARCH, **{"search.seeds": 2})
    runs = greedy.wanted(both, "forward", 1).runs
    assert {(run.split.fold, run.seed) for run in runs} == {(fold, seed) for fold in (0, 1) for seed in (0, 1)}
    alone = {run.id for run in greedy.wanted(study(SEARCH), "forward", 1).runs}
    assert alone == {run.id for run in runs if run.seed == 0}, "those of the first seed are the same runs"
    assert greedy.conclude(both)["scores"] == greedy.conclude(study(SEARCH))["scores"]


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_race_asks_for_all_seeds_of_a_fold(seeds):
    raced = study(SEARCH, **{"search.effort": "fast", "search.seeds": seeds})
    of = Tuning(("b", "c"))
    asked = [run for run in greedy.wanted(raced, "forward", 2).runs if run.tuning == of]
    assert [(run.split.fold, run.seed) for run in asked] == [(0, seed) for seed in range(seeds)], "it is never right"
    assert greedy.conclude(raced)["tuning"] == "b"
