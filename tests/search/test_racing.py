"""Races: who is dropped, who never is, and what a greedy round makes of it."""

import itertools

import pytest

from subtuning.analysis.tables.greedy import greedy_table
from subtuning.search.experiments.greedy import play
from subtuning.search.racing import ALPHA, KEEP, answers, chance, promising, race, survivors
from tests.search.test_search import LAYERS, record


def with_hits(right: int, n: int = 100, status: str = "done", shift: int = 0) -> dict:
    """A record with `right` ones among `n` answers, moved by `shift` images."""
    if status == "diverged":
        return {"status": status, "metrics": None}
    bits = (
        ("1" * right + "0" * (n - right))[-shift:] + ("1" * right + "0" * (n - right))[:-shift]
        if shift
        else ("1" * right + "0" * (n - right))
    )
    width = -(-n // 8) * 8
    return {"status": status, "metrics": {"n": n, "hits": f"{int(bits.ljust(width, '0'), 2):0{width // 4}x}"}}


def folds_of(*records):
    """One seed a fold."""
    return [[record] for record in records]


def test_answers_are_bits():
    assert answers(with_hits(3)).bit_count() == 3
    assert answers(with_hits(0)) == 0


def test_a_tie_and_the_leader_are_always_in():
    records = {"a": folds_of(with_hits(90)), "b": folds_of(with_hits(90, shift=5)), "c": folds_of(with_hits(10))}
    assert survivors(records, 4) == ["a", "b"]


def test_who_is_far_behind_is_dropped_and_who_is_close_stays():
    hits = {"far": 60, "leader": 90, "close": 88}
    assert survivors({name: folds_of(with_hits(right)) for name, right in hits.items()}, 4) == ["leader", "close"]


def test_of_many_that_are_alike_one_in_two_goes_on():
    alike = {name: folds_of(with_hits(90 - place, shift=place)) for place, name in enumerate("abcdefg")}
    assert survivors(alike, 4) == ["a", "b", "c", "d"]
    assert len(survivors(alike, 4)) == -(-7 // KEEP)


def test_a_later_round_tries_who_went_farthest_in_the_one_before():
    before = {"a": [0.9], "b": [0.5, 0.6], "c": [0.4], "d": [0.5, 0.7], "e": [], "f": [None]}
    assert promising(before, list("abcdef")) == ["a", "b", "d"], "in the order of the network"
    assert promising(before, ["e", "f"]) == ["e", "f"]


def test_a_diverged_candidate_is_out_whatever_it_had():
    diverged = with_hits(0, status="diverged")
    records = {"a": folds_of(with_hits(99), diverged), "b": folds_of(with_hits(50), with_hits(50))}
    assert survivors(records, 4) == ["b"]
    assert survivors({"a": folds_of(diverged)}, 4) == []


def test_the_less_is_left_the_sooner_a_candidate_is_dropped():
    leader, own = [[answers(with_hits(80))]], [[answers(with_hits(74, shift=3))]]
    chances = [chance(leader, own, 100, remaining) for remaining in (900, 300, 50, 1)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > ALPHA > chances[-1]
    assert chance(leader, own, 100, 0) == 0
    assert chance(own, leader, 100, 0) == 1


def test_the_chance_is_that_of_a_fair_coin_on_images_that_differ():
    """Of 100 images 20 are answered differently, so 40 of the 200 that are left: exactly, a sum of binomials."""
    leader, own = int("1" * 12 + "0" * 8, 2), int("0" * 12 + "1" * 8, 2)
    from math import comb

    deficit = 4
    exact = sum(comb(40, k) for k in range(41) if 2 * k - 40 >= deficit) / 2**40
    assert chance([[leader]], [[own]], 100, 200) == pytest.approx(exact, abs=0.06)  # a normal curve for 40 coins


def test_seeds_that_say_the_same_are_no_further_images():
    """Twice the same answers: twice the deficit on twice the spread, so the same chance; a sum of independent draws
    would have made it smaller, and dropped candidates that one seed alone keeps."""
    leader, own = answers(with_hits(80)), answers(with_hits(74, shift=3))
    once = chance([[leader]], [[own]], 100, 300)
    assert chance([[leader, leader]], [[own, own]], 100, 300) == pytest.approx(once)
    assert chance([[leader, own]], [[own, leader]], 100, 300) == 1, "what one seed says the other takes back"


def test_a_race_looks_at_all_seeds_of_a_fold():
    """By the first seed alone b would lead."""
    of = {"a": [with_hits(60), with_hits(90)], "b": [with_hits(70), with_hits(68)]}
    found, alive = race(["a", "b"], 1, lambda names, fold: [of[name] for name in names])
    assert found == {"a": [of["a"]], "b": [of["b"]]}
    assert alive == ["a"]


def test_a_round_knows_who_was_dropped():
    def records_of(tuning):
        mean = {"linear": 0.5, "stem": 0.4, "a": 0.9, "b": 0.7, "c": 0.6}[str(tuning)]
        both = [record(tuning, mean + 0.1, 0), record(tuning, mean - 0.1, 1)]
        return both[:1] if str(tuning) == "a" else both  # the best so far, but not known in all folds

    this = play(LAYERS, "forward", None, records_of)
    assert this["choice"] == "b", "who was dropped never wins"
    assert {c["layer"]: len(c["scores"]) for c in this["candidates"]} == {"stem": 2, "a": 1, "b": 2, "c": 2}
    table = greedy_table([this]).set_index("layer")
    assert table.loc["a", "n"] == 1
    assert table.loc["a", ["mean", "ci_low", "diff_previous"]].isna().all(), "no mean over all folds, so none is shown"
    assert table.loc["b", "mean"] == pytest.approx(0.7)


def test_a_race_ends_like_the_full_search_when_one_is_clearly_best():
    """All orders of the folds: the best survives each, and the third is trained in one fold only."""
    folds = {"best": [90, 80, 85, 88], "second": [80, 78, 79, 70], "third": [60, 50, 55, 58]}
    for order in itertools.permutations(range(4)):
        found, alive = race(
            list(folds), 4, lambda names, fold, o=order: [[with_hits(folds[n][o[fold]])] for n in names]
        )
        assert alive == ["best"]
        assert len(found["best"]) == 4
        assert len(found["third"]) == 1


def test_a_race_goes_as_far_as_records_are_known():
    known = {("a", 0): 90, ("b", 0): 88, ("c", 0): 20, ("a", 1): 91}

    def records_of(names, fold):
        return [[with_hits(known[name, fold])] if (name, fold) in known else None for name in names]

    found, alive = race(["a", "b", "c"], 3, records_of)
    assert [[record is not None for record in found[name]] for name in "abc"] == [[True, True], [True, False], [True]]
    assert alive == ["a", "b"]
