"""The store: whole records or none, each run once."""

import errno
import json
from pathlib import Path

import pytest

from subtuning.errors import UserError
from subtuning.runs import Store, numbers
from subtuning.runs.store import write_atomically
from tests.tiny import make_run

RESULT = {"status": "done", "metrics": {"accuracy": 0.5}, "seconds": 1.0}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def test_a_record_comes_back_as_it_was_written(store):
    run = make_run(("a",), seed=3)
    assert store.get(run) is None
    record = store.add(run, RESULT)
    assert store.get(run) == record == json.loads(store.path(run.id).read_text())
    assert record["id"] == run.id
    assert record["names"] == {"task": "task", "backbone": "net"}
    assert record["identity"] == run.identity()
    assert record["metrics"] == {"accuracy": 0.5}
    assert store.path(run.id) == store.folder / run.id[:2] / f"{run.id}.json"
    assert list(store) == [record]


def test_diverged_runs_are_finished_runs(store):
    store.add(make_run(), RESULT | {"status": "diverged", "metrics": None})
    assert store.missing([make_run()]) == []


def test_missing_names_each_unfinished_run_once_and_in_order(store):
    a, b, c = make_run(("a",)), make_run(("b",)), make_run(("c",))
    store.add(b, RESULT)
    assert store.missing([c, a, b, a, c]) == [c, a]
    assert store.missing([]) == []


def test_require_says_which_run_is_missing(store):
    store.add(make_run(("a",)), RESULT)
    assert [r["identity"]["subset"] for r in store.require([make_run(("a",))] * 2)] == [["a"], ["a"]]
    with pytest.raises(UserError, match=r"run task/net b, val, seed 0 \(id .* is not in .*runs; train it first"):
        store.require([make_run(("a",)), make_run(("b",))])


def test_a_record_cut_off_anywhere_is_not_read(store):
    run = make_run()
    store.add(run, RESULT)
    path = store.path(run.id)
    whole = path.read_bytes()
    for length in [*range(0, len(whole) - 2, 50), len(whole) - 3]:
        path.write_bytes(whole[:length])
        assert store.get(run) is None, length
        assert store.missing([run]) == [run]
        assert list(store) == []
    path.write_bytes(b"\x00" * len(whole))
    assert store.get(run) is None
    path.write_bytes(whole)
    assert store.get(run) is not None


@pytest.mark.parametrize("content", ["[]", "1", "null", '"text"', "{}"])
def test_json_that_is_no_record_is_not_read(store, content):
    path = store.path(make_run().id)
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert store.get(make_run()) is None
    assert list(store) == []


def test_a_record_under_the_name_of_another_is_not_read(store):
    first, second = make_run(("a",)), make_run(("b",))
    store.add(first, RESULT)
    store.path(second.id).parent.mkdir(exist_ok=True)
    store.path(second.id).write_bytes(store.path(first.id).read_bytes())
    assert store.get(second) is None
    assert len(list(store)) == 1


def test_an_empty_or_absent_store_has_no_records(tmp_path):
    assert list(Store(tmp_path / "nowhere")) == []


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace"])
def test_a_write_that_fails_leaves_the_old_record_and_no_rubbish(store, monkeypatch, failing):
    run = make_run()
    store.add(run, RESULT)
    with monkeypatch.context() as patch:
        patch.setattr(failing, disk_full)
        with pytest.raises(OSError, match="disk full"):
            store.add(run, {"status": "diverged", "metrics": None})
    assert store.get(run)["status"] == "done"
    assert [path for path in store.folder.rglob("*") if path.is_file()] == [store.path(run.id)]


def disk_full(*_):
    raise OSError(errno.ENOSPC, "disk full")


def test_a_reader_never_sees_a_half_written_file(tmp_path, monkeypatch):
    """Until the rename the old content stands, and the new file is whole and on the disk before it."""
    path, seen = tmp_path / "file", []
    path.write_text("old")
    replace = Path.replace

    def watched(self, target):
        seen.append((path.read_text(), self.read_text(), self.parent == path.parent))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    write_atomically(path, "new" * 100_000)
    assert seen == [("old", "new" * 100_000, True)]
    assert path.read_text() == "new" * 100_000
    assert list(tmp_path.iterdir()) == [path]


def test_not_a_number_is_never_written(store):
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.add(make_run(), RESULT | {"seconds": float("nan")})
    assert not [path for path in store.folder.rglob("*") if path.is_file()]


def test_runs_finished_with_other_numbers_are_counted_but_not_used(store, monkeypatch):
    store.add(make_run(("a",)), RESULT)
    everyone = numbers.Change(numbers.latest_numbers() + 1, "all", lambda identity: True)
    monkeypatch.setattr(numbers, "CHANGES", (*numbers.CHANGES, everyone))
    store.add(make_run(("b",)), RESULT)
    wanted = [make_run(("a",)), make_run(("b",)), make_run(("c",))]
    assert store.missing(wanted) == [wanted[0], wanted[2]]
    assert store.superseded(wanted) == 1
    assert store.superseded(wanted[1:]) == 0
    assert store.superseded([]) == 0


def test_a_run_is_finished_with_its_probabilities_where_they_are_needed(store):
    runs = [make_run(("a",)), make_run(("b",)), make_run(("c",))]
    store.add(runs[0], RESULT)
    store.add(runs[1], RESULT | {"status": "diverged", "metrics": None})
    needing = store.with_probabilities(True)
    assert needing.missing(runs) == [runs[0], runs[2]], "one that diverged has none"
    assert needing.without_probabilities(needing.missing(runs)) == 1
    store.probabilities_path(runs[0].id).write_bytes(b"")
    assert needing.missing(runs) == [runs[2]] == store.missing(runs)
    assert store.without_probabilities(runs) == 0, "nothing is needed"
