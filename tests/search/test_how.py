"""A search that trains layers in another way than all weights of them."""

import pytest

from subtuning.analysis.tables.profile import profile_table
from subtuning.errors import UserError
from subtuning.search.experiments import greedy, profile, tuned_profile
from subtuning.search.experiments.profile import best_layer, tunings
from subtuning.search.select import select
from subtuning.search.study import Study, candidates
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, How, Tuning
from tests.search.test_tune import SETTINGS
from tests.tiny import make_run

LORA = How.parse("lora(rank=4)")
ATTENTION = How("attention")
TENSORS = {
    "stem": {"stem.weight": [8, 3, 3, 3]},
    "a": {"a.attn.qkv.weight": [24, 8], "a.mlp.fc1.weight": [8, 8]},
    "b": {"b.attn.qkv.weight": [24, 8]},
    "c": {"c.norm.weight": [8]},
}
ROWS = [{"name": name, "kind": "layer", "stage": 0, "parameters": 10, "flops": 5} for name in TENSORS]
LAYERS = {"layers": ROWS, "total_parameters": 40, "total_flops": 20}
SAID = LAYERS | {"layers": [row | {"tensors": TENSORS[row["name"]]} for row in ROWS]}
SCORES = {"linear": 0.3, "full": 0.9, "full with attention": 0.5, "a": 0.4, "b": 0.6, "a+b": 0.8}


def study_of(how: str, **settings) -> Study:
    """A study of which every run is finished; a subset's score is that of its layers."""

    def get(run):
        accuracy = SCORES.get(str(run.tuning), SCORES.get(str(Tuning(run.tuning.layers)), 0.1))
        return {
            "id": run.id,
            "identity": run.identity(),
            "names": {"task": "task", "backbone": "net"},
            "status": "done",
            "metrics": {"accuracy": accuracy},
            "seconds": 1.0,
            "trainable_parameters": 7 + 3 * (run.tuning != ONLY_HEAD),
        }

    return Study(SETTINGS | {"search.how": how} | settings, make_run(), SAID, get)


def test_layers_with_nothing_to_train_are_left_out():
    assert candidates(SAID, ATTENTION) == ["a", "b"]
    assert candidates(SAID, LORA) == ["stem", "a", "b"]
    assert candidates(SAID) == candidates(LAYERS, ATTENTION) == ["stem", "a", "b", "c"]
    assert tunings(SAID, ATTENTION) == [ONLY_HEAD, Tuning(("a",), ATTENTION), Tuning(("b",), ATTENTION), EVERYTHING]


def test_a_way_for_no_layer_is_one_sentence():
    with pytest.raises(UserError, match=r"search\.how is lora\(on=fc9\), but no layer of this backbone has anything"):
        profile.step("profile", SETTINGS).wanted(study_of("lora(on=fc9)"))
    with pytest.raises(UserError, match="lora has no option 'ranks'"):
        profile.step("profile", SETTINGS).wanted(study_of("lora(ranks=4)"))


def test_runs_of_the_default_search_keep_their_ids():
    wanted = profile.step("profile", SETTINGS).wanted
    old = Study(SETTINGS, make_run(), LAYERS, lambda run: None)
    assert [run.id for run in wanted(old).runs] == [run.id for run in wanted(study_of("weights")).runs]
    ends = {run.id for run in wanted(study_of("norms")).runs} & {run.id for run in wanted(old).runs}
    assert len(ends) == 2 * SETTINGS["profile.folds"], "linear probing and full fine-tuning stay"


def test_the_greedy_search_goes_on_with_the_best_layer():
    study = study_of("attention", **{"greedy.max_rounds": 2})
    first, second = greedy.rounds(study, "forward", 2)
    assert [c["tuning"] for c in first["candidates"]] == ["a with attention", "b with attention"]
    assert (first["base"], first["tuning"]) == ("linear", "b with attention")
    assert (second["base"], second["tuning"]) == ("b with attention", "a+b with attention")
    assert select("greedy", study) == Tuning(("a", "b"), ATTENTION)
    assert select("greedy with weights", study) == Tuning(("a", "b"))


def test_a_search_that_removes_layers_begins_with_all_that_have_the_part():
    (first,) = greedy.rounds(study_of("attention", **{"greedy.start": "full"}), "backward", 1)
    assert (first["base"], first["base_scores"]) == ("full with attention", [0.5, 0.5])
    assert [c["tuning"] for c in first["candidates"]] == ["b with attention", "a with attention"]
    assert first["tuning"] == "b with attention"


def test_the_best_layer_is_trained_as_in_the_profile():
    study = study_of("attention")
    assert select("best", study) == Tuning(("b",), ATTENTION)
    records = study.require(profile.step("profile", study.settings).wanted(study).runs)
    assert best_layer(records, SAID) is None, "all weights of a layer were not trained"
    tuned = tuned_profile.best_points(study_of("attention", **{"profile.tune": True}))
    assert [point.tuning for point in tuned] == tunings(SAID, ATTENTION)


def test_the_profile_says_how_and_how_many_parameters():
    study = study_of("attention")
    table = profile_table(study.require(profile.step("profile", study.settings).wanted(study).runs), SAID)
    rows = table.set_index("layer")
    assert list(rows.index) == ["a", "b", "linear", "full"]
    assert list(rows["how"]) == ["attention", "attention", "", "weights"]
    assert list(rows["parameters"]) == [3, 3, 0, 40]
    assert rows.loc["b", "mean"] == pytest.approx(0.6)


def test_one_profile_has_one_way():
    one, other = study_of("attention"), study_of("lora")
    runs = [run for study in (one, other) for run in profile.step("profile", study.settings).wanted(study).runs]
    with pytest.raises(ValueError, match="trained in several ways: attention, lora"):
        profile_table(one.require(list(dict.fromkeys(runs))), SAID)
