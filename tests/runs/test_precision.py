"""`precision: auto` is resolved once, and no table mixes what it became on different machines."""

import pytest

from subtuning.errors import UserError
from subtuning.runs import Store
from subtuning.runs.precision import finished_alike, precisions, require_alike
from tests.tiny import make_run

RESULT = {"status": "done", "metrics": {"accuracy": 0.5}, "seconds": 1.0}
RUNS = [make_run((name,), precision="auto") for name in "abc"]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def finish(store, precision, *runs):
    for run in runs:
        store.add(run.with_precision(precision), RESULT)


def precisions_of(records):
    return {record["identity"]["recipe"]["precision"] for record in records}


def test_runs_are_found_in_the_precision_in_which_all_are_finished(store):
    finish(store, "fp32", *RUNS)
    finish(store, "bf16", *RUNS[:2])
    assert precisions_of(finished_alike(RUNS, store)) == {"fp32"}
    assert precisions_of(require_alike(store, RUNS)) == {"fp32"}


def test_where_both_are_complete_the_choice_is_always_the_same(store):
    finish(store, "fp32", *RUNS)
    finish(store, "bf16", *RUNS)
    assert precisions_of(finished_alike(RUNS, store)) == {"bf16"}


def test_a_mixture_is_one_sentence_that_says_what_to_do(store):
    finish(store, "bf16", RUNS[0])
    finish(store, "fp32", *RUNS[1:])
    assert finished_alike(RUNS, store) is None
    with pytest.raises(UserError) as caught:
        require_alike(store, RUNS)
    assert str(caught.value) == (
        "task/net: a table needs 3 runs in one precision, and there are 1 of them in bf16 and 2 of them in fp32; set "
        "recipe.precision to fp32 and give the same command again"
    )


def test_what_is_only_missing_is_said_to_be_missing(store):
    finish(store, "fp32", *RUNS[:2])
    with pytest.raises(UserError, match=r"run task/net c, val, seed 0 .* is not in .*; train it first"):
        require_alike(store, RUNS)


def test_a_precision_that_is_given_is_the_only_one(store):
    finish(store, "fp32", *RUNS)
    given = [run.with_precision("fp16") for run in RUNS]
    assert finished_alike(given, store) is None
    finish(store, "fp16", *given)
    assert [record["id"] for record in finished_alike(given, store)] == [run.id for run in given]


def test_no_runs_are_finished_alike(store):
    assert finished_alike([], store) == []
    assert require_alike(store, []) == []


def test_the_precisions_that_a_status_shows(store):
    assert precisions(RUNS, store.get) == ["bf16"]
    finish(store, "fp32", RUNS[0])
    assert precisions(RUNS, store.get) == ["fp32"]
    finish(store, "bf16", RUNS[1])
    assert precisions(RUNS, store.get) == ["bf16", "fp32"]
    assert precisions([run.with_precision("fp16") for run in RUNS], store.get) == ["fp16"]
