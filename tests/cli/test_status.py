"""`subtuning status`: counts and times worked out by hand, and how little it reads."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from subtuning.analysis.time_left import Pace, time_words, training_images
from subtuning.config import load_config
from subtuning.runs import Split, Store
from subtuning.tuning.tuning import FULL
from tests.cli.big import SMALL, known_runs, prepare, result, train, train_all
from tests.cli.conftest import use
from tests.tiny import make_run

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path("results")
HOLDER = (
    "import sys; from filelock import FileLock; l = FileLock(sys.argv[1]); l.acquire(); print(1, flush=True); input()"
)


def rows(text):
    """(task, step) -> done, running, missing, interrupted, diverged, time left."""
    lines = text.splitlines()
    places = [match.span() for match in re.finditer(r"-+", lines[1])]
    cells = [[line[start:end].strip() for start, end in places] for line in lines[2:-1]]
    return {(row[0], row[2]): row[3:] for row in cells}


def of(task, runs):
    return [run for run in runs if run.names[0] == task]


def test_nothing_is_known_before_anything_is_trained(config, subtuning):
    code, out, _ = subtuning("status")
    assert code == 0
    for task in ("one", "two"):
        assert rows(out)[task, "profile"] == ["0", "0", "10", "0", "0", "unknown"]
        assert rows(out)[task, "greedy/forward/1"] == ["0", "0", "8", "0", "0", "unknown"]
        assert rows(out)[task, "greedy/forward/2"] == ["0", "0", "up to 4", "0", "0", "unknown"]
        assert rows(out)[task, "evaluation"] == ["0", "0", "4 + up to 4", "0", "0", "unknown"]
    words = "0 diverged; time unknown for 44 runs."
    end = f"In all: 0 done, 0 running, 28 missing and up to 16 of rounds not chosen yet, {words}"
    assert out.splitlines()[-1] == end


def test_the_time_left_follows_from_finished_runs(config, subtuning):
    """Records say 100 images a second; half of 1,000 images in 2 epochs are 10 s, all of them in 4 epochs 40 s."""
    train(of("one", known_runs(config, RESULTS))[:10], RESULTS)
    _, out, _ = subtuning("status")
    found = rows(out)
    assert found["one", "profile"] == ["10", "0", "0", "0", "0", ""]
    assert found["one", "greedy/forward/1"] == ["8", "0", "0", "0", "0", ""]
    assert found["one", "greedy/forward/2"] == ["0", "0", "4", "0", "0", "40 s"]
    assert found["one", "evaluation"] == ["0", "0", "6 + up to 2", "0", "0", time_words(8 * 20)]
    assert found["two", "profile"] == ["0", "0", "10", "0", "0", time_words(10 * 20)]
    assert found["two", "evaluation"] == ["0", "0", "4 + up to 4", "0", "0", time_words(8 * 40)]
    left = 40 + 8 * 20 + 10 * 20 + 4 * 20 + 8 * 40
    assert out.splitlines()[-1].endswith(f"0 diverged; about {time_words(left)} left, one run after another.")


def test_the_basis_is_as_near_as_there_is_one():
    def record(task, backbone, subset, seconds, **changes):
        run = make_run(subset)
        names = {"task": task, "backbone": backbone}
        content = result(run, seconds=seconds, **{"images_per_second": 100 / seconds} | changes)
        return {"names": names, "identity": run.identity(), **content}

    def of(task, backbone, subset):
        run = make_run(subset)
        object.__setattr__(run, "names", (task, backbone))
        return run

    records = [
        record("a", "net", (), 1.0),
        record("a", "net", ("x",), 3.0),
        record("b", "net", ("x",), 6.0),
        record("b", "net", FULL, 8.0),
        record("b", "net", (), 900.0, device="NVIDIA H200", started="2025-01-01T00:00:00+00:00"),
        record("c", "net", (), 7.0, images_per_second=None),
    ]
    pace, images = Pace(records), {"train": 50, "val": 50}
    seconds = {key: pace.seconds(of(*key), images) for key in [("a", "net", ()), ("a", "net", ("y",))]}
    assert seconds == {("a", "net", ()): 1.0, ("a", "net", ("y",)): 3.0}, "100 images: 2 epochs of 50"
    assert pace.seconds(of("a", "net", FULL), images) == 2.0, "the pair's mean"
    assert pace.seconds(of("c", "net", ("y",)), images) == 4.5, "as many layers, in other tasks"
    assert pace.seconds(of("c", "net", ("y", "z")), images) == 4.5, "all that is known of the backbone"
    assert pace.seconds(of("a", "other", ()), images) is None
    assert pace.seconds(of("b", "net", ()), images) == 7.0, "a record of another kind of device counts no more"


@pytest.mark.parametrize(("split", "images"), [(Split("val"), 80), (Split("test"), 100), (Split("cv", 5, 0), 80)])
def test_images_of_an_epoch(split, images):
    assert training_images(split, {"train": 80, "val": 20, "test": 7}) == pytest.approx(images)


@pytest.mark.parametrize(
    ("seconds", "words"), [(45, "45 s"), (600, "10 min"), (5400, "1.5 h"), (172_800, "2.0 days"), (0.2, "0 s")]
)
def test_times_as_people_say_them(seconds, words):
    assert time_words(seconds) == words


@contextmanager
def claimed(run):
    """A process that holds a run's claim."""
    (RESULTS / "claims").mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-c", HOLDER, str(RESULTS / "claims" / f"{run.id}.lock")]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"1\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_run_is_running_as_long_as_its_trainer_lives(config, subtuning):
    run = known_runs(config, RESULTS)[0]
    with claimed(run) as process:
        _, out, _ = subtuning("status")
        assert rows(out)["one", "profile"][:4] == ["0", "1", "9", "0"]
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert rows(subtuning("status")[1])["one", "profile"][:4] == ["0", "0", "10", "0"]


def test_where_locks_do_not_reach_a_fresh_state_is_a_sign_of_life(config, subtuning):
    first, second, third = known_runs(config, RESULTS)[:3]
    for folder in ("claims", "checkpoints"):
        (RESULTS / folder).mkdir()
    for run in (first, second):
        (RESULTS / "claims" / f"{run.id}.lock").touch()
    for run in (first, second, third):
        (RESULTS / "checkpoints" / f"{run.id}.pt").touch()
    long_ago = time.time() - 200
    os.utime(RESULTS / "checkpoints" / f"{second.id}.pt", (long_ago, long_ago))
    _, out, _ = subtuning("status")
    assert rows(out)["one", "profile"][:4] == ["0", "1", "9", "2"], "an interrupted training has given its claim back"


def test_everything_done(config, subtuning):
    train_all(config, RESULTS)
    _, out, _ = subtuning("status")
    assert all(row[2:] == ["0", "0", "0", ""] for row in rows(out).values())
    total = len(list(Store(RESULTS / "runs")))
    assert out.splitlines()[-1] == f"In all: {total} done, 0 running, 0 missing, 0 diverged."


def test_diverged_runs_end_the_search_and_are_counted(config, subtuning):
    train(known_runs(config, RESULTS), RESULTS, status="diverged", metrics=None)
    _, out, _ = subtuning("status")
    assert rows(out)["one", "profile"] == ["10", "0", "0", "0", "10", ""]
    assert ("one", "greedy/forward/2") not in rows(out)
    assert rows(out)["one", "evaluation"][4] == "4"


def test_another_recipe_is_another_plan(config, subtuning):
    """The rounds come from the records, not from the files that the last config's search has left."""
    train_all(config, RESULTS)
    use(SMALL | {"recipe": {"epochs": 2, "lr": 0.5}})
    _, out, _ = subtuning("status")
    assert rows(out)["one", "profile"][:3] == ["0", "0", "10"]
    assert rows(out)["one", "greedy/forward/2"][2] == "up to 4"
    assert rows(out)["one", "profile"][5] == time_words(10 * 10), "its pace is that of the other recipe"


def test_a_task_prepared_for_another_config_counts_as_not_prepared(config, subtuning):
    file = RESULTS / "tasks/one/task.json"
    facts = json.loads(file.read_text())
    file.write_text(json.dumps(facts | {"source": facts["source"] | {"val": 0.3}}))
    _, out, _ = subtuning("status")
    assert rows(out)["one", "not prepared yet"] == [""] * 6
    assert "1 of 2 pairs of task and backbone not prepared yet" in out


def test_it_reads_no_file_twice_and_looks_for_none_that_is_not_there(config, subtuning, monkeypatch, tmp_path):
    """VTAB-1k's config with 1,000 records: what costs is looking at the disk."""
    vtab = load_config(ROOT / "config" / "vtab1k.yaml")
    prepare(vtab, tmp_path / "vtab")
    train(known_runs(vtab, tmp_path / "vtab")[:1000], tmp_path / "vtab")
    reads = []
    original = Store.record
    monkeypatch.setattr(Store, "record", lambda store, run_id: reads.append(run_id) or original(store, run_id))
    code, out, _ = subtuning(
        "status", "--config", str(ROOT / "config/vtab1k.yaml"), "--results", str(tmp_path / "vtab")
    )
    assert code == 0
    assert out.splitlines()[-1].startswith("In all: 1000 done, 0 running, ")
    assert len(reads) == len(set(reads)) == 1000
