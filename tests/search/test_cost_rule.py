"""A greedy search that minds what layers cost, on scores made by hand."""

import pytest

from subtuning.analysis.tables.greedy import COLUMNS, greedy_table
from subtuning.search.costs import FREE, CostRule
from subtuning.search.experiments import greedy
from subtuning.search.experiments.greedy import play
from subtuning.search.selection import select, stop_at
from subtuning.search.study import Study
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, Tuning
from tests.search.test_search import table
from tests.search.test_tune import SETTINGS
from tests.tiny import make_run

LAYERS = {
    "layers": [
        {"name": name, "kind": "layer", "parameters": parameters, "flops": flops}
        for name, parameters, flops in [("a", 10, 50), ("b", 20, 30), ("c", 70, 20)]
    ]
}
SCORES = {"linear": 0.3, "a": 0.5, "b": 0.49, "c": 0.4, "a+b": 0.6, "b+c": 0.5, "a+c": 0.55, "full": 0.55}


def rounds(direction: str, rule: CostRule, count: int = 2) -> list[dict]:
    found: list[dict] = []
    for _ in range(count):
        found.append(play(LAYERS, direction, found[-1] if found else None, table(SCORES), rule=rule))
    return found


def test_flops_are_those_that_a_further_task_adds_and_parameters_those_it_stores():
    flops, parameters = CostRule("flops"), CostRule("parameters")
    of = {"linear": ONLY_HEAD, "a": Tuning(("a",)), "c": Tuning(("c",)), "b+c": Tuning(("b", "c")), "full": EVERYTHING}
    assert {name: flops.share(t, LAYERS) for name, t in of.items()} == {
        **{"linear": 0, "a": 1, "c": 0.2, "b+c": 0.5, "full": 1}
    }
    assert {name: parameters.share(t, LAYERS) for name, t in of.items()} == {
        **{"linear": 0, "a": 0.1, "c": 0.7, "b+c": 0.9, "full": 1}
    }
    assert FREE.share(EVERYTHING, LAYERS) == 0


def test_without_a_rule_rounds_are_as_they_were():
    first, second = rounds("forward", FREE)
    assert (first["choice"], second["choice"]) == ("a", "b")
    assert not any("penalty" in key for key in first)
    assert list(greedy_table([first, second]).columns) == COLUMNS


def test_what_costs_too_much_is_not_tried():
    first, second = rounds("forward", CostRule("flops", cap=0.5))
    assert [candidate["layer"] for candidate in first["candidates"]] == ["b", "c"]
    assert (first["choice"], second["tuning"]) == ("b", "b+c")
    assert [candidate["tuning"] for candidate in second["candidates"]] == ["b+c"]
    first, _ = rounds("forward", CostRule("parameters", cap=0.1))
    assert [candidate["layer"] for candidate in first["candidates"]] == ["a"]


def test_a_cheaper_layer_wins_when_cost_has_weight():
    first, second = rounds("forward", CostRule("flops", weight=0.1))
    assert first["choice"] == "b"
    assert first["scores"] == pytest.approx([0.24, 0.74]), "scores stay as they are"
    assert (first["base_penalty"], first["penalty"]) == (0, pytest.approx(0.05))
    assert [c["penalty"] for c in first["candidates"]] == pytest.approx([0.1, 0.05, 0.02])
    assert (second["choice"], second["penalty"]) == ("a", pytest.approx(0.1)), "0.6 - 0.1 beats 0.49 - 0.05"
    (_, second) = rounds("forward", CostRule("flops", weight=0.3))
    assert second["choice"] == "c", "a layer above the lowest one adds no operation: 0.5 - 0.15 beats 0.6 - 0.3"
    shown = greedy_table([first])
    assert list(shown["penalty"]) == pytest.approx([0.1, 0.05, 0.02])
    assert list(shown["mean"]) == pytest.approx([0.5, 0.49, 0.4])


def test_a_layer_is_removed_where_it_costs_more_than_it_gives():
    (plain,) = rounds("backward", FREE, 1)
    (minded,) = rounds("backward", CostRule("flops", weight=0.2), 1)
    assert plain["choice"] == "c"
    assert (minded["choice"], minded["tuning"]) == ("c", "a+b")
    (minded,) = rounds("backward", CostRule("flops", weight=0.5), 1)
    assert (minded["choice"], minded["stopped"]) == ("a", False), "0.5 - 0.25 beats 0.6 - 0.5 and 0.55 - 0.5"
    assert stop_at([minded], 0.0)[0]["stopped"] is False
    assert stop_at([minded], 0.21)[0]["stopped"] is True, "it gains 0.2"


def test_the_direction_is_chosen_by_what_is_left():
    rule = CostRule("flops", weight=0.45)
    chains = {way: rounds(way, rule, 1) for way in ("forward", "backward")}
    assert [chains[way][0]["tuning"] for way in chains] == ["c", "b+c"]
    found = select(chains, 0.0)
    assert (found["direction"], found["tuning"]) == ("forward", "c"), "0.4 - 0.09 beats 0.5 - 0.225"


def study(**settings) -> Study:
    return Study(
        SETTINGS | {f"greedy.{key}": value for key, value in settings.items()}, make_run(), LAYERS, lambda r: None
    )


def test_no_run_becomes_another_and_fewer_are_asked_for():
    step = greedy.step("greedy/forward/1", SETTINGS)
    every, few = (step.wanted(study(**keys)).runs for keys in ({}, {"cost": "flops", "cost_cap": 0.5}))
    assert {run.id for run in few} < {run.id for run in every}
    assert {str(run.tuning) for run in few} == {"linear", "b", "c"}
    weighed = step.wanted(study(cost="flops", cost_weight=0.1)).runs
    assert [run.id for run in weighed] == [run.id for run in every]


def test_a_cap_below_every_layer_is_one_sentence():
    wanted = greedy.step("greedy/forward/1", SETTINGS).wanted(study(cost="flops", cost_cap=0.1))
    assert wanted.trouble == "greedy.cost_cap 0.1 leaves no layer to try: the cheapest, c, costs 0.2 of all flops"
    assert not wanted.runs
