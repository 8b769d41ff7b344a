"""`subtuning clean`: what it would remove, what it removes, and all that it never touches."""

import json
import os
import re
import time
from pathlib import Path

import pytest
from filelock import FileLock

from subtuning.runs import Store
from subtuning.workspace.clean import size_words
from tests.cli.big import SMALL, known_runs, result, train, train_all, write
from tests.cli.conftest import use

RESULTS = Path("results")
STORE = Store(RESULTS / "runs")


@pytest.fixture
def runs(config):
    """All runs of the config; they are finished."""
    train_all(config, RESULTS)
    return known_runs(config, RESULTS)


def table(text):
    """kind -> (entries, size)."""
    return {m[1]: (int(m[2]), m[3]) for m in re.finditer(r"^([a-z-]+) +(\d+) +([\d.]+ \w?B) ", text, re.MULTILINE)}


def files(folder=Path()):
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def old(path):
    os.utime(path, (time.time() - 4000,) * 2)
    return path


def add(path, content="x" * 1000):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def curve(run_id, layers="linear"):
    return add(RESULTS / "tensorboard/one/net" / layers / f"val-seed0-{run_id[:6]}/events.1", "y" * 500)


def record_of(run, numbers=None):
    """A further record on disk; returns its id."""
    identity = run.identity() | ({} if numbers is None else {"numbers": numbers})
    run_id = f"{abs(hash(json.dumps(identity))):032x}"[:32] if numbers is not None else run.id
    names = dict(zip(("task", "backbone"), run.names, strict=True))
    write(STORE.path(run_id), {"id": run_id, "names": names, "identity": identity, **result(run)})
    return run_id


def litter(runs):
    """kind -> the files of it; every kind has some."""
    one = runs[0]
    foreign = one.with_seed(77)
    other, unwanted = record_of(one, numbers=0), record_of(foreign)
    add(RESULTS / "checkpoints" / f"{one.with_seed(88).id}.pt")
    return {
        "checkpoints": [add(RESULTS / "checkpoints" / f"{one.id}.pt")],
        "partial": [
            old(add(RESULTS / "checkpoints" / f".{one.id}.7.partial")),
            old(add(RESULTS / "runs" / one.id[:2] / f".{one.id}.json.a1b2")),
            old(add(RESULTS / "one/net/greedy/forward/.round1.json.zz")),
            old(add(RESULTS / "backbones/net/weights.partial")),
        ],
        "tensorboard": [curve("abcdef0")],
        "claims": [add(RESULTS / "claims" / f"{runs[1].id}.lock", "")],
        "outcomes": [
            add(RESULTS / "models" / f"{one.with_seed(99).id}.safetensors"),
            add(STORE.probabilities_path(one.with_seed(99).id)),
        ],
        "other-numbers": [STORE.path(other), curve(other), add(RESULTS / "models" / f"{other}.safetensors")],
        "unwanted": [
            STORE.path(unwanted),
            curve(unwanted),
            add(STORE.probabilities_path(unwanted)),
            RESULTS / "checkpoints" / f"{one.with_seed(88).id}.pt",
        ],
    }


def test_it_first_shows_what_it_would_remove_and_removes_nothing(runs, subtuning):
    found = litter(runs)
    before = files()
    code, out, _ = subtuning("clean")
    assert code == 0
    assert files() == before
    entries = {kind: len(paths) for kind, paths in found.items()}
    assert {kind: count for kind, (count, _) in table(out).items()} == entries
    sizes = {kind: size_words(sum(path.stat().st_size for path in paths)) for kind, paths in found.items()}
    assert {kind: size for kind, (_, size) in table(out).items()} == sizes
    assert "Nothing was removed." in out


def test_yes_removes_what_no_training_would_have_to_make_again(runs, subtuning):
    before = files()
    found = litter(runs)
    kept = {str(path) for kind in ("other-numbers", "unwanted") for path in found[kind]}
    code, out, _ = subtuning("clean", "--yes")
    assert code == 0
    assert "Removed 9 entries." in out
    after = files()
    assert {name: content for name, content in after.items() if name not in kept} == before
    assert kept <= set(after)
    assert not (RESULTS / "claims").exists() or not list((RESULTS / "claims").iterdir())


@pytest.mark.parametrize(
    "kind", ["checkpoints", "partial", "tensorboard", "claims", "outcomes", "other-numbers", "unwanted"]
)
def test_a_kind_alone(kind, runs, subtuning):
    found = litter(runs)
    before = files()
    assert subtuning("clean", "--what", kind)[0] == 0
    assert files() == before
    listed = subtuning("clean", "--what", kind)[1]
    for path in found[kind]:
        assert str(path) in listed or str(path.parent) in listed
    assert subtuning("clean", "--what", kind, "--yes")[0] == 0
    assert set(before) - set(files()) == {str(path) for path in found[kind]}
    assert table(subtuning("clean")[1])[kind] == (0, "0 B")


def test_after_everything_is_cleaned_nothing_wanted_is_missing(runs, subtuning):
    before = files()
    litter(runs)
    kinds = ["checkpoints", "partial", "tensorboard", "claims", "outcomes", "other-numbers", "unwanted"]
    assert subtuning("clean", "--yes", "--what", *kinds)[0] == 0
    assert files() == before
    assert STORE.missing(runs) == []


def test_curves_of_finished_and_running_runs_stay(runs, subtuning):
    mine = curve(runs[0].id)
    alive = runs[1].with_seed(99)
    theirs = curve(alive.id)
    (RESULTS / "claims").mkdir()
    with FileLock(RESULTS / "claims" / f"{alive.id}.lock"):
        assert table(subtuning("clean")[1])["tensorboard"] == (0, "0 B")
    assert subtuning("clean", "--yes")[0] == 0
    assert mine.exists()
    assert not theirs.exists(), "its training is over and has left no record"


def test_it_refuses_while_a_training_is_running(runs, subtuning):
    litter(runs)
    with FileLock(RESULTS / "claims" / f"{runs[2].id}.lock"):
        before = files()
        code, _, errors = subtuning("clean", "--yes")
        assert code == 2
        assert errors == "error: a training is going on in results (runs: 1); clean when it is over\n"
        assert files() == before
    assert subtuning("clean", "--yes")[0] == 0


def test_what_is_being_written_now_stays(runs, subtuning):
    fresh = add(RESULTS / "checkpoints" / f".{runs[0].id}.7.partial")
    folder = RESULTS / "tasks" / ".one.partial"
    inside = add(folder / "train/images.npy")
    old(folder)
    assert table(subtuning("clean", "--yes")[1])["partial"] == (0, "0 B")
    assert fresh.exists()
    assert inside.exists(), "a conversion goes on in it"
    for path in (fresh, inside, inside.parent, folder):
        old(path)
    assert table(subtuning("clean", "--yes")[1])["partial"] == (2, "2.0 kB")
    assert not fresh.exists()
    assert not folder.exists()
    assert (RESULTS / "tasks/one/task.json").exists()


def test_nothing_behind_a_link_is_touched(runs, subtuning, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    for name in ("checkpoints", "curves"):
        add(elsewhere / name / "keep.txt")
    add(elsewhere / "checkpoints" / f"{runs[0].id}.pt")
    (RESULTS / "checkpoints").symlink_to(elsewhere / "checkpoints")
    link = RESULTS / "tensorboard/one/net/linear/val-seed0-abcdef"
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere / "curves")
    before = files(elsewhere)
    code, out, _ = subtuning("clean", "--yes")
    assert code == 0
    assert files(elsewhere) == before
    assert link.is_symlink()
    assert out.count("left alone: ") == 2


def test_records_of_a_search_that_is_not_finished_are_all_kept(runs, subtuning):
    """Without one record of round 1 nobody can tell which of round 2 are wanted."""
    STORE.path(runs[0].id).unlink()
    before = files()
    assert table(subtuning("clean")[1])["unwanted"] == (0, "0 B")
    assert subtuning("clean", "--what", "unwanted", "--yes")[0] == 0
    assert files() == before


def test_another_recipe_leaves_unwanted_records_and_both_configs_together_none(runs, subtuning):
    Path("config/first.yaml").write_text(Path("config/config.yaml").read_text())
    use(SMALL | {"recipe": {"epochs": 2, "lr": 0.5}})
    assert table(subtuning("clean")[1])["unwanted"][0] == len(runs)
    both = ["clean", "--config", "config/first.yaml", "--config", "config/config.yaml"]
    assert table(subtuning(*both)[1])["unwanted"] == (0, "0 B")
    assert subtuning("clean", "--what", "unwanted", "--yes")[0] == 0
    assert files(RESULTS / "runs") == {}


def test_a_pair_that_is_not_prepared_may_want_anything(runs, subtuning):
    litter(runs)
    (RESULTS / "tasks/two/task.json").unlink()
    before = files()
    code, out, _ = subtuning("clean", "--what", "unwanted", "--yes")
    assert code == 0
    assert table(out)["unwanted"] == (0, "0 B")
    assert "cannot be told before two/net is prepared for config/config.yaml" in out
    assert files() == before


def test_without_a_config_nothing_is_removed(runs, subtuning):
    litter(runs)
    before = files()
    code, _, errors = subtuning("clean", "--yes", "--config", "none.yaml")
    assert code == 2
    assert errors.startswith("error: config file none.yaml does not exist")
    assert files() == before


def test_an_empty_folder(config, subtuning):
    code, out, _ = subtuning("clean", "--yes", "--results", "nothing")
    assert code == 0
    assert "Removed 0 entries." in out
    assert not Path("nothing").exists()


def test_runs_of_one_round_only_are_wanted_while_it_is_trained(config, subtuning):
    train(known_runs(config, RESULTS)[:3], RESULTS)
    add(RESULTS / "checkpoints" / f"{known_runs(config, RESULTS)[5].id}.pt")
    assert table(subtuning("clean")[1]) == dict.fromkeys(
        ["checkpoints", "partial", "tensorboard", "claims", "outcomes", "other-numbers", "unwanted"], (0, "0 B")
    )


@pytest.mark.parametrize(("count", "words"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_300_000_000, "2.3 GB")])
def test_sizes_as_people_say_them(count, words):
    assert size_words(count) == words
