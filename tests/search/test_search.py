"""Which runs to ask for next, on scores made by hand."""

import subprocess
import sys

import pytest

from subtuning.runs import Split
from subtuning.search.experiments.greedy import before, moves, play
from subtuning.search.experiments.profile import best_layer, tunings
from subtuning.search.scores import fold_scores, mean
from subtuning.search.selection import path, select, stop_at
from subtuning.search.study import Study, candidates, cv_splits, shard
from subtuning.tuning.tuning import EVERYTHING, FULL, ONLY_HEAD, Tuning
from tests.tiny import make_run

LAYERS = {
    "layers": [
        {"name": name, "kind": name if name in ("stem", "tail") else "layer", "parameters": parameters}
        for name, parameters in [("stem", 5), ("a", 10), ("b", 20), ("c", 30), ("pool", 0), ("tail", 40)]
    ]
}


def of(*layers):
    return Tuning(layers)


def record(layers, accuracy, fold=0, split="cv"):
    tuning = layers if isinstance(layers, Tuning) else Tuning(layers)
    identity = tuning.plain() | {"split": split, "fold": fold, "recipe": {"precision": "fp32"}}
    if accuracy is None:
        return {"identity": identity, "status": "diverged", "metrics": None}
    return {"identity": identity, "status": "done", "metrics": {"accuracy": accuracy}}


def table(scores):
    """A `records_of` from {layers joined by +: mean accuracy}: two folds around the mean, last fold first."""

    def records_of(tuning):
        value = scores[str(tuning)]
        if value is None:
            return [record(tuning, 0.9, 1), record(tuning, None, 0)]
        return [record(tuning, value + 0.25, 1), record(tuning, value - 0.25, 0)]

    return records_of


def play_all(scores, direction, count):
    rounds = []
    for _ in range(count):
        rounds.append(play(LAYERS, direction, rounds[-1] if rounds else None, table(scores)))
    return rounds


FORWARD = {
    "linear": 0.25,
    "stem": 0.375,
    "a": 0.3125,
    "b": 0.5,
    "c": 0.4375,
    "stem+b": 0.5,
    "a+b": 0.5625,
    "b+c": 0.46875,
    "stem+a+b": 0.5,
    "a+b+c": 0.5625,
}


def test_candidates_are_the_stem_and_the_blocks_that_have_parameters():
    assert candidates(LAYERS) == ["stem", "a", "b", "c"]
    assert tunings(LAYERS) == [ONLY_HEAD, of("stem"), of("a"), of("b"), of("c"), EVERYTHING]


def test_candidates_are_those_that_the_description_says():
    said = {"layers": [row | {"candidate": row["name"] in ("b", "tail")} for row in LAYERS["layers"]]}
    assert candidates(said) == ["b", "tail"]
    assert tunings(said) == [ONLY_HEAD, of("b"), of("tail"), EVERYTHING]


def test_forward_adds_the_best_layer_until_nothing_improves():
    first, second, third, fourth = play_all(FORWARD, "forward", 4)
    assert (first["round"], first["base"], first["choice"], first["tuning"]) == (1, "linear", "b", "b")
    assert first["base_scores"] == [0.0, 0.5]
    assert first["scores"] == [0.25, 0.75], "in the order of the folds"
    assert [c["layer"] for c in first["candidates"]] == ["stem", "a", "b", "c"]
    assert first["candidates"][3] == {"layer": "c", "tuning": "c", "scores": [0.1875, 0.6875]}
    assert (second["base"], second["choice"], second["tuning"]) == ("b", "a", "a+b")
    assert second["base_scores"] == first["scores"]
    assert [c["tuning"] for c in second["candidates"]] == ["stem+b", "a+b", "b+c"]
    assert not second["stopped"]
    assert third["stopped"], "an equal score is no improvement"
    assert (third["tuning"], third["scores"]) == ("a+b", second["scores"])
    assert fourth["stopped"]
    assert (fourth["round"], fourth["candidates"], fourth["choice"]) == (4, [], None)
    assert (fourth["tuning"], fourth["scores"]) == ("a+b", second["scores"])


def test_a_round_says_what_it_was_scored_on():
    assert play(LAYERS, "forward", None, table(FORWARD))["split"] == "cv"
    assert play(LAYERS, "forward", None, table(FORWARD), "val")["split"] == "val"


def test_forward_ends_when_every_layer_is_in():
    layers = {"layers": LAYERS["layers"][:2]}
    rounds = [play(layers, "forward", None, table({"linear": 0.25, "stem": 0.5, "a": 0.75, "stem+a": 1.0}))]
    assert rounds[0]["tuning"] == "a"
    rounds.append(play(layers, "forward", rounds[-1], table({"stem+a": 1.0})))
    assert (rounds[1]["tuning"], rounds[1]["stopped"]) == ("stem+a", False)
    rounds.append(play(layers, "forward", rounds[-1], table({})))
    assert (rounds[2]["candidates"], rounds[2]["tuning"], rounds[2]["stopped"]) == ([], "stem+a", True)


BACKWARD = {
    "full": 0.5,
    "a+b+c+pool+tail": 0.5625,
    "stem+b+c+pool+tail": 0.5,
    "stem+a+c+pool+tail": 0.25,
    "stem+a+b+pool+tail": 0.375,
    "b+c+pool+tail": 0.5,
    "a+c+pool+tail": 0.5,
    "a+b+pool+tail": 0.5,
}


def test_backward_removes_layers_from_full_but_not_a_tail_that_is_no_candidate():
    first, second = play_all(BACKWARD, "backward", 2)
    assert (first["base"], first["choice"]) == ("full", "stem")
    assert first["tuning"] == "a+b+c+pool+tail"
    assert [c["layer"] for c in first["candidates"]] == ["stem", "a", "b", "c"]
    assert [c["layer"] for c in second["candidates"]] == ["a", "b", "c"]
    assert second["stopped"]
    assert second["choice"] == "c", "of equal candidates the one that leaves the fewest parameters"
    assert second["tuning"] == first["tuning"]


def test_of_equal_candidates_the_smallest_wins():
    scores = FORWARD | {"stem": 0.4375, "a": 0.5, "b": 0.5, "c": 0.5}
    assert play(LAYERS, "forward", None, table(scores))["choice"] == "a"


def test_equal_means_of_other_folds_are_equal():
    """0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ in the last bit; neither is an improvement over the other."""
    up, down = [0.1, 0.2, 0.3], [0.3, 0.2, 0.1]
    assert sum(up) != sum(down)
    assert mean(up) == mean(down) == pytest.approx(0.2)
    for base, better in [(up, down), (down, up)]:
        chosen = play(LAYERS, "forward", None, folds_of({(): base, ("a",): better}, other=[0.0] * 3))
        assert chosen["stopped"]
    for small, large in [(up, down), (down, up)]:
        chosen = play(LAYERS, "forward", None, folds_of({("a",): small, ("c",): large}, other=[0.0] * 3))
        assert chosen["choice"] == "a"
    assert best_layer([record(("a",), v, i) for i, v in enumerate(up)] + ROWS_OF_C, LAYERS) == "a"


ROWS_OF_C = [record(("c",), value, fold) for fold, value in enumerate([0.3, 0.2, 0.1])]


def folds_of(scores, other):
    return lambda tuning: [record(tuning, value, fold) for fold, value in enumerate(scores.get(tuning.layers, other))]


def test_a_candidate_that_diverged_in_one_fold_never_wins():
    first = play(LAYERS, "forward", None, table(FORWARD | {"b": None}))
    assert first["choice"] == "c"
    assert first["candidates"][2] == {"layer": "b", "tuning": "b", "scores": [None, 0.9]}


def test_when_all_candidates_diverge_the_search_stops():
    first = play(LAYERS, "forward", None, table(dict.fromkeys(FORWARD) | {"linear": 0.25}))
    assert (first["choice"], first["stopped"], first["tuning"], first["scores"]) == (None, True, "linear", [0.0, 0.5])
    assert not path([first], 0.0)[0]


def test_any_candidate_is_better_than_a_base_that_diverged():
    first = play(LAYERS, "forward", None, table(FORWARD | {"linear": None}))
    assert (first["choice"], first["stopped"]) == ("b", False)
    assert path([first], 0.5)[1] == "b"


def test_when_everything_diverges_nothing_is_selected_as_a_number():
    first = play(LAYERS, "forward", None, table(dict.fromkeys(FORWARD)))
    assert (first["stopped"], first["scores"]) == (True, [None, 0.9])
    assert select({"forward": [first]}, 0.0)["score"] is None


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_test_records_are_refused(direction):
    def records_of(tuning):
        return [record(tuning, 0.9, 0, "test" if tuning.size in (1, 5) else "cv")]

    with pytest.raises(ValueError, match="scored on the test set"):
        play(LAYERS, direction, None, records_of)
    with pytest.raises(ValueError, match="scored on the test set"):
        best_layer([record(("a",), 0.5), record(("b",), 0.9, None, "test")], LAYERS)
    with pytest.raises(ValueError, match="scored on the test set"):
        fold_scores([record((), 0.5, None, "test")])


def test_a_fold_has_the_mean_of_its_seeds():
    rows = [record((), 0.5, 0), record((), 0.75, 1), record((), 0.75, 0), record((), 0.25, 1)]
    assert fold_scores(rows) == [0.625, 0.5]
    assert fold_scores([*rows, record((), None, 1)]) == [0.625, None]


def test_val_records_have_no_fold():
    assert fold_scores([record((), 0.5, None, "val")]) == [0.5]


@pytest.mark.parametrize(
    ("epsilon", "kept", "tuning"),
    [(0.0, 2, "a+b"), (0.05, 2, "a+b"), (0.0625, 1, "b"), (0.2, 1, "b"), (0.25, 0, "linear"), (1.0, 0, "linear")],
)
def test_epsilon_stops_at_the_first_round_that_gains_no_more(epsilon, kept, tuning):
    rounds = play_all(FORWARD, "forward", 4)  # gains: 0.25, 0.0625, none, none
    assert [r["round"] for r in path(rounds, epsilon)[0]] == list(range(1, kept + 1))
    assert path(list(reversed(rounds)), epsilon) == path(rounds, epsilon)
    assert path(rounds, epsilon)[1] == tuning
    assert [r["stopped"] for r in stop_at(rounds, epsilon)] == [False] * kept + [True] * (4 - kept)
    assert [r["stopped"] for r in rounds] == [False, False, True, True], "the rounds themselves stay as they are"


def test_a_gain_of_exactly_epsilon_is_not_enough_whatever_the_rounding():
    for base, better in [(0.7, 0.8), (0.2, 0.3), (0.1, 0.2)]:
        first = play(LAYERS, "forward", None, folds_of({(): [base], ("a",): [better]}, other=[0.0]))
        assert path([first], 0.1)[1] == "linear"
        assert path([first], 0.0999)[1] == "a"


def test_a_small_gain_between_large_ones_is_the_end():
    scores = FORWARD | {"a+b": 0.53125, "stem+a+b": 0.9375}
    rounds = play_all(scores, "forward", 3)
    assert rounds[-1]["tuning"] == "stem+a+b"
    assert path(rounds, 0.0)[1] == "stem+a+b"
    assert path(rounds, 0.0625)[1] == "b"


def test_the_search_may_end_at_the_last_allowed_round_without_a_stop():
    rounds = play_all(FORWARD, "forward", 1)
    assert not rounds[0]["stopped"]
    assert select({"forward": rounds}, 0.0) == {
        "direction": "forward",
        "tuning": "b",
        "score": 0.5,
        "scores": [0.25, 0.75],
        "rounds": 1,
        "epsilon": 0.0,
    }


def test_the_better_direction_is_selected_and_of_equals_the_one_that_adds():
    forward = play_all(FORWARD, "forward", 3)
    backward = play_all(BACKWARD, "backward", 2)
    equal = select({"backward": backward, "forward": forward}, 0.0)
    assert (equal["direction"], equal["tuning"], equal["score"]) == ("forward", "a+b", 0.5625)
    better = play_all(BACKWARD | {"a+b+c+pool+tail": 0.625}, "backward", 2)
    chosen = select({"forward": forward, "backward": better}, 0.0)
    assert (chosen["direction"], chosen["tuning"], chosen["rounds"]) == ("backward", "a+b+c+pool+tail", 1)
    unmoved = select({"backward": better}, 0.5)
    assert (unmoved["tuning"], unmoved["rounds"], unmoved["score"]) == ("full", 0, 0.5)
    diverged = [play(LAYERS, "forward", None, table(dict.fromkeys(FORWARD)))]
    assert select({"forward": diverged, "backward": backward}, 0.0)["direction"] == "backward"


def test_what_a_round_needs_follows_from_the_round_before():
    first, _, third = play_all(FORWARD, "forward", 3)
    assert before(LAYERS, "forward", None) == (ONLY_HEAD, moves(LAYERS, "forward", ONLY_HEAD))
    assert before(LAYERS, "forward", first) == (of("b"), moves(LAYERS, "forward", of("b")))
    assert moves(LAYERS, "forward", of("b")) == [("stem", of("stem", "b")), ("a", of("a", "b")), ("c", of("b", "c"))]
    assert before(LAYERS, "forward", third) == (of("a", "b"), [])
    base, options = before(LAYERS, "backward", None)
    assert base == EVERYTHING
    assert options[1] == ("a", of("stem", "b", "c", "pool", "tail"))


def test_the_best_layer_has_the_highest_mean_and_of_equals_the_fewest_parameters():
    rows = [record((), 0.99), record(FULL, 0.99), record(("tail",), 0.99), record(("a", "b"), 0.99)]
    rows += [record(("stem",), 0.9, 0), record(("stem",), 0.1, 1), record(("a",), 0.5, 0), record(("a",), 0.5, 1)]
    assert best_layer(rows, LAYERS) == "stem"
    rows += [record(("b",), 0.7, 0), record(("b",), 0.4, 1), record(("c",), 0.4, 0), record(("c",), 0.7, 1)]
    assert best_layer(rows, LAYERS) == "b"
    assert best_layer([*rows, record(("b",), None, 1)], LAYERS) == "c"
    assert best_layer([record(("a",), None)], LAYERS) is None


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12])
def test_shards_are_a_partition_of_even_sizes(count):
    items = list(range(7))
    parts = [shard(items, index, count) for index in range(count)]
    assert sorted(item for part in parts for item in part) == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_every_tuning_is_asked_for_on_every_fold():
    splits = cv_splits(3)
    assert splits == [Split("cv", 3, 0), Split("cv", 3, 1), Split("cv", 3, 2)]
    base = make_run(seed=4)
    runs = Study({}, base, LAYERS, lambda run: None).runs([ONLY_HEAD, of("a")], splits)
    assert {(run.split.fold, run.tuning.layers) for run in runs} == {(f, s) for f in range(3) for s in [(), ("a",)]}
    assert len(runs) == len({run.id for run in runs}) == 6
    assert {(run.seed, run.recipe, run.task) for run in runs} == {(0, base.recipe, base.task)}


def test_the_search_needs_no_torch():
    code = (
        "import sys, subtuning.search.steps, subtuning.search.experiments.evaluation; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
