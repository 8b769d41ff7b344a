"""From runs to records: what is trained on what, kill and resume, memory, divergence."""

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from subtuning.errors import UserError
from subtuning.runs import Split
from subtuning.tasks import folds
from subtuning.training import device, runner
from subtuning.training.data import images_of, load_source, source_of
from subtuning.training.interrupt import Interrupt, Interrupted
from subtuning.training.loop import LaneGroup
from subtuning.training.runner import lane_groups, train_missing
from subtuning.tuning.subsets import FULL
from tests.training.conftest import new_place

SUBSETS = [(), ("layer2.0",), ("layer1.0", "layer4.0"), FULL]


def several(base):
    """Four runs that are lanes of one training."""
    return [base.with_subset(subset) for subset in SUBSETS]


NUMBERS = ("status", "metrics", "curve", "trainable_parameters", "total_parameters", "flops", "precision")


def numbers(place, runs):
    """What of the records must not depend on how the runs came about."""
    return [{key: record[key] for key in NUMBERS} for record in place.store.require(runs)]


@pytest.fixture(scope="session")
def undisturbed(inputs, layers, tmp_path_factory):
    """The numbers that runs give when nothing happens; each list of runs is trained once."""
    known = {}

    def train(runs):
        key = tuple(run.id for run in runs)
        if key not in known:
            place = new_place(inputs, layers, tmp_path_factory.mktemp("undisturbed"))
            assert train_missing(runs, place) == len(runs)
            known[key] = numbers(place, runs)
        return list(known[key])

    return train


@pytest.fixture
def each_step(monkeypatch):
    """Calls a function with the group before each step; None ends that."""
    advance = LaneGroup.advance

    def use(function):
        def wrapped(group):
            function(group)
            advance(group)

        monkeypatch.setattr(LaneGroup, "advance", wrapped if function else advance)

    return use


def test_records_hold_what_tables_need(place, base):
    runs, seen = several(base), []
    place.finished = lambda record, run: seen.append((record, run))
    assert train_missing(runs, place) == 4
    records = place.store.require(runs)
    assert [run for _, run in seen] == runs
    assert [record for record, _ in seen] == records
    head = place.layers["features"] * 4 + 4
    counts = {row["name"]: row["parameters"] for row in place.layers["layers"]}
    trained = [0, counts["layer2.0"], counts["layer1.0"] + counts["layer4.0"], sum(counts.values())]
    for record, count in zip(records, trained, strict=True):
        assert record["status"] == "done"
        assert record["trainable_parameters"] == count + head
        assert record["total_parameters"] == sum(counts.values()) + head
        assert record["flops"] == place.layers["total_flops"] + 2 * head
        assert set(record["metrics"]) == {"accuracy", "loss", "n", "hits"}
        assert record["metrics"]["n"] == 12
        assert [point["epoch"] for point in record["curve"]] == [1, 2]
        assert record["seconds"] > 0
        assert record["lanes"] == 4
        assert record["precision"] == "float64"
        assert record["versions"]["torch"] == torch.__version__


def test_finished_runs_are_not_trained_again(place, base, each_step):
    train_missing(several(base)[:2], place)
    before = [path.read_bytes() for path in sorted(place.store.folder.rglob("*.json"))]
    each_step(lambda group: pytest.fail("trained again"))
    assert train_missing(several(base)[:2], place) == 0
    each_step(None)
    assert train_missing(several(base)[:3] * 2, place) == 1
    assert [p.read_bytes() for p in sorted(place.store.folder.rglob("*.json")) if p.read_bytes() in before] == before


def test_each_split_trains_and_scores_its_own_images(place, base):
    train, val, test = (place.task.part(name)[0] for name in ("train", "val", "test"))
    together = np.concatenate([train, val])
    for split, trained, scored in [(Split("val"), train, val), (Split("test"), together, test)]:
        for found, expected in zip(images_of_split(split, place, base), (trained, scored), strict=True):
            assert np.array_equal(pixels_of(found), expected)
    labels = np.concatenate([place.task.part("train")[1], place.task.part("val")[1]])
    held_out = []
    for fold, (kept, held) in enumerate(folds(labels, 3)):
        trained, scored = images_of_split(Split("cv", 3, fold), place, base)
        assert np.array_equal(pixels_of(trained), together[kept])
        assert np.array_equal(pixels_of(scored), together[held])
        assert labels_of(trained) == labels[kept].tolist()
        assert labels_of(scored) == labels[held].tolist()
        held_out += held.tolist()
    assert sorted(held_out) == list(range(36))


def images_of_split(split, place, base):
    training = load_source(source_of(split), place.task, base.backbone, place.device, place.dtype)
    return images_of(split, training, place.task)


def pixels_of(images):
    return np.asarray(images.pixels)[images.rows_of(np.arange(len(images)))]


def labels_of(images):
    return images.labels_at(images.rows_of(np.arange(len(images)))).tolist()


def test_lanes_are_runs_of_one_split_seed_and_recipe(place, base):
    runs = [
        base.with_seed(seed).with_split(Split("cv", 2, fold)).with_subset(subset)
        for seed in (0, 1)
        for subset in [(), FULL, ("stem",)]
        for fold in (0, 1)
    ]
    groups = lane_groups(runs, place)
    assert sorted(map(len, groups)) == [3, 3, 3, 3]
    assert all(len({(run.seed, run.split) for run in group}) == 1 for group in groups)
    assert {run for group in groups for run in group} == set(runs)
    place.lanes = 2
    assert sorted(map(len, lane_groups(runs, place))) == [1, 1, 1, 1, 2, 2, 2, 2]


def test_lanes_on_threads_give_the_same_results(place, base, undisturbed, threads):
    train_missing(several(base), place)
    assert numbers(place, several(base)) == undisturbed(several(base))


def test_a_training_on_threads_resumes_bit_for_bit(place, base, undisturbed, each_step, threads):
    runs = several(recipe_of(base, augmentation="crop"))
    each_step(lambda group: signal.raise_signal(signal.SIGTERM) if group.step == 3 else None)
    with pytest.raises(Interrupted):
        train_missing(runs, place)
    each_step(None)
    train_missing(runs, place)
    assert numbers(place, runs) == undisturbed(runs)


@pytest.mark.parametrize(("precision", "name"), [("fp32", "float32"), ("bf16", "bfloat16"), ("fp16", "float16")])
def test_mixed_precision_reaches_lanes_on_threads(inputs, layers, tmp_path, base, threads, precision, name):
    runs = several(recipe_of(base, precision=precision))
    results = []
    for count in (3, 1):
        torch.set_num_threads(count)
        place = new_place(inputs, layers, tmp_path / str(count), dtype=torch.float32)
        train_missing(runs, place)
        results.append(numbers(place, runs))
    assert results[0] == results[1]
    assert {record["precision"] for record in results[0]} == {name}
    assert {record["status"] for record in results[0]} == {"done"}
    full = new_place(inputs, layers, tmp_path / "full", dtype=torch.float32)
    plain = several(recipe_of(base, precision="fp32"))
    train_missing(plain, full)
    losses = [[record["metrics"]["loss"] for record in found] for found in (results[0], numbers(full, plain))]
    assert losses[0] == pytest.approx(losses[1], rel=0.3)  # with fp16, first steps are skipped until the scale fits
    assert (losses[0] == losses[1]) == (precision == "fp32"), "the precision changes nothing"


def test_the_number_of_lanes_does_not_change_results(place, base, undisturbed):
    place.lanes = 1
    train_missing(several(base), place)
    for one, together in zip(numbers(place, several(base)), undisturbed(several(base)), strict=True):
        assert one["metrics"] == pytest.approx(together["metrics"], abs=1e-9)
        assert one["curve"][-1] == pytest.approx(together["curve"][-1], abs=1e-9)


def test_seeds_make_runs_and_the_same_seed_makes_the_same_run(place, base, undisturbed):
    runs = [base.with_seed(seed).with_subset(("layer3.0",)) for seed in (0, 1)]
    train_missing(runs, place)
    first, second = numbers(place, runs)
    assert first["metrics"]["loss"] != second["metrics"]["loss"]
    assert undisturbed(runs) == [first, second]


@pytest.mark.parametrize("step", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("settings", [{"augmentation": "crop"}, {"optimizer": "sgd"}], ids=["adamw, crop", "sgd"])
def test_resumed_equals_uninterrupted(place, base, undisturbed, each_step, step, settings):
    """Stopped in the first epoch, at its end, in the second one, and in the very last step."""
    base = recipe_of(base, **settings)
    runs = several(base)
    each_step(lambda group: signal.raise_signal(signal.SIGTERM) if group.step == step - 1 else None)
    with pytest.raises(Interrupted) as stop:
        train_missing(runs, place)
    assert stop.value.signum == signal.SIGTERM
    assert not list(place.store)
    saved = [torch.load(path, weights_only=True) for path in place.checkpoints.folder.iterdir()]
    assert [state["step"] for state in saved] == [step] * 4
    steps = []
    each_step(lambda group: steps.append(group.step))
    assert train_missing(runs, place) == 4
    assert steps == list(range(step, 6))
    each_step(None)
    assert numbers(place, runs) == undisturbed(runs)
    assert not list(place.checkpoints.folder.iterdir())


def recipe_of(base, **changes):
    """The same run with other hyperparameters."""
    return replace(base, recipe=base.recipe.model_copy(update=changes))


def test_stopping_twice_changes_nothing(place, base, undisturbed, each_step):
    runs = several(base)
    for step in (1, 4):
        each_step(lambda group, step=step: signal.raise_signal(signal.SIGINT) if group.step == step else None)
        with pytest.raises(Interrupted, match="stopped by SIGINT"):
            train_missing(runs, place)
    each_step(None)
    train_missing(runs, place)
    assert numbers(place, runs) == undisturbed(runs)


def test_after_kill_9_the_last_saved_step_goes_on(place, base, undisturbed, each_step, monkeypatch):
    class Killed(BaseException):
        pass

    def kill(group):
        if group.step == 4:
            raise Killed

    runs = several(base)
    monkeypatch.setattr(runner, "SECONDS_BETWEEN_CHECKPOINTS", -1)
    each_step(kill)
    with pytest.raises(Killed):
        train_missing(runs, place)
    steps = []
    each_step(lambda group: steps.append(group.step))
    train_missing(runs, place)
    assert steps == [4, 5]
    each_step(None)
    assert numbers(place, runs) == undisturbed(runs)


def test_some_lanes_finished_before_the_kill_are_kept(place, base, undisturbed):
    """Killed between the records of one group: the others are trained anew or resumed, these are not touched."""
    runs = several(base)
    place.finished = lambda record, run: stop_after(2, seen, record)
    seen = []
    with pytest.raises(KeyboardInterrupt):
        train_missing(runs, place)
    assert len(list(place.store)) == 2
    place.finished = lambda record, run: seen.append(record)
    assert train_missing(runs, place) == 2
    for found, expected in zip(numbers(place, runs), undisturbed(runs), strict=True):
        assert found["metrics"] == pytest.approx(expected["metrics"], abs=1e-9)


def stop_after(count, seen, record):
    seen.append(record)
    if len(seen) == count:
        raise KeyboardInterrupt


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not really", None])
def test_a_damaged_checkpoint_is_ignored(place, base, undisturbed, each_step, damage):
    runs = several(base)
    each_step(lambda group: signal.raise_signal(signal.SIGTERM) if group.step == 2 else None)
    with pytest.raises(Interrupted):
        train_missing(runs, place)
    each_step(None)
    path = place.checkpoints.path(runs[1].id)
    path.write_bytes(path.read_bytes()[:-1000] if damage is None else damage)
    assert train_missing(runs, place) == 4
    for found, expected in zip(numbers(place, runs), undisturbed(runs), strict=True):
        assert found["metrics"] == pytest.approx(expected["metrics"], abs=1e-9)
    assert not list(place.checkpoints.folder.iterdir())


def test_a_checkpoint_is_written_whole_or_not_at_all(place, monkeypatch):
    place.checkpoints.save("run", {"step": 1})
    monkeypatch.setattr("os.fsync", disk_full)
    with pytest.raises(OSError, match="disk full"):
        place.checkpoints.save("run", {"step": 2})
    assert place.checkpoints.load("run", place.device) == {"step": 1}
    assert [path.name for path in place.checkpoints.folder.iterdir()] == ["run.pt"]
    place.checkpoints.remove("run")
    place.checkpoints.remove("run")
    assert place.checkpoints.load("run", place.device) is None


def disk_full(*_):
    raise OSError(errno.ENOSPC, "disk full")


@pytest.mark.parametrize("step", [0, 4])
def test_out_of_memory_halves_the_lanes(place, base, undisturbed, each_step, capsys, step):
    sizes = []

    def exhaust(group):
        sizes.append(len(group.lanes))
        if len(group.lanes) == 4 and group.step == step:
            raise torch.OutOfMemoryError

    runs = several(base)
    each_step(exhaust)
    assert train_missing(runs, place) == 4
    assert sizes == [4] * (step + 1) + [2] * 12
    assert "4 lanes do not fit into memory; training them in two halves" in capsys.readouterr().err
    each_step(None)
    for found, expected in zip(numbers(place, runs), undisturbed(runs), strict=True):
        assert found["metrics"] == pytest.approx(expected["metrics"], abs=1e-9)


def test_a_run_that_does_not_fit_alone_is_an_error(place, base, each_step):
    def exhaust(group):
        raise torch.OutOfMemoryError

    each_step(exhaust)
    with pytest.raises(UserError, match=r"does not fit into the memory of cpu; lower recipe\.batch_size"):
        train_missing(several(base), place)


@pytest.fixture
def poisoned(monkeypatch):
    """Makes the head of the lanes of one subset begin with a NaN."""
    new_lane = LaneGroup._new_lane

    def use(*subsets):
        def poisoned_lane(group, run, *sizes):
            state = new_lane(group, run, *sizes)
            if run.subset in subsets:
                with torch.no_grad():
                    next(state.lane.head.parameters())[0, 0] = float("nan")
            return state

        monkeypatch.setattr(LaneGroup, "_new_lane", poisoned_lane)

    return use


def test_a_lane_that_diverges_is_recorded_and_others_go_on(place, base, undisturbed, poisoned):
    runs = several(base)
    expected = undisturbed(runs)
    poisoned(("layer2.0",))
    train_missing(runs, place)
    found = numbers(place, runs)
    bad = found.pop(1)
    assert (bad["status"], bad["metrics"], bad["curve"]) == ("diverged", None, [])
    del expected[1]
    for one, other in zip(found, expected, strict=True):
        assert one["status"] == "done"
        assert one["metrics"] == pytest.approx(other["metrics"], abs=1e-9)
    assert not place.store.missing(runs)


def test_when_all_lanes_diverge_training_ends(place, base, poisoned, each_step):
    poisoned(*SUBSETS)
    steps = []
    each_step(lambda group: steps.append(group.step))
    train_missing(several(base), place)
    assert steps == [0, 1, 2], "the first epoch"
    assert {record["status"] for record in place.store} == {"diverged"}


def test_a_loss_that_is_only_found_in_scoring_counts_as_diverged(place, base, monkeypatch):
    score = LaneGroup.score

    def spoilt(group, *images):
        with torch.no_grad():
            next(group.lanes[0].lane.head.parameters()).fill_(float("inf"))
        return score(group, *images)

    monkeypatch.setattr(LaneGroup, "score", spoilt)
    train_missing(several(base)[:2], place)
    records = place.store.require(several(base)[:2])
    assert [record["status"] for record in records] == ["diverged", "done"]
    assert records[0]["metrics"] is None


def test_a_diverged_lane_and_memory_that_runs_out_later(place, base, undisturbed, poisoned, each_step, monkeypatch):
    """The halves must not go on from one lane's checkpoint with another lane's fresh weights."""
    runs = several(base)
    expected = undisturbed(runs)
    monkeypatch.setattr(runner, "SECONDS_BETWEEN_CHECKPOINTS", -1)

    def lose(group):
        if len(group.lanes) == 4 and group.step == 4:
            place.checkpoints.remove(runs[1].id)
            raise torch.OutOfMemoryError

    each_step(lose)
    train_missing(runs, place)
    for found, other in zip(numbers(place, runs), expected, strict=True):
        assert found["metrics"] == pytest.approx(other["metrics"], abs=1e-9)


def test_weights_that_changed_are_refused(place, base, inputs, tmp_path):
    state = load_file(inputs / "weights.safetensors")
    state["conv1.0.weight"] += 1
    save_file(state, tmp_path / "other.safetensors")
    place.weights = tmp_path / "other.safetensors"
    with pytest.raises(UserError, match="has changed since it was described; run subtuning describe again"):
        train_missing([base], place)


def test_signals_are_noted_only_while_training():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        assert interrupt.signum is None
        signal.raise_signal(signal.SIGINT)
        assert interrupt.signum == signal.SIGINT
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_an_unknown_device_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.choose_device("auto") == torch.device("cpu")
    with pytest.raises(UserError, match="torch finds no CUDA GPU here; use --device cpu"):
        device.choose_device("cuda")


PROGRAM = """
import json, sys
from pathlib import Path
from subtuning.runs import Backbone, Run, Split
from subtuning.training.interrupt import Interrupted
from subtuning.training.loop import LaneGroup
from subtuning.training.runner import train_missing
from tests.tiny import recipe
from tests.training.conftest import new_place

inputs, results = Path(sys.argv[1]), Path(sys.argv[2])
advance = LaneGroup.advance

def watched(group):
    print(group.step, flush=True)
    if group.step == 1:
        sys.stdin.readline()
    advance(group)

LaneGroup.advance = watched
place = new_place(inputs, json.loads((results / "layers.json").read_text()), results)
backbone = Backbone.of(place.layers)
runs = [Run(place.task.sha256, Split("val"), backbone, s, recipe()) for s in [(), ("layer3.0",)]]
try:
    train_missing(runs, place)
except Interrupted as stop:
    sys.exit(128 + stop.signum)
"""


def test_sigterm_to_a_real_process_loses_nothing(inputs, layers, base, tmp_path, undisturbed, each_step):
    (tmp_path / "layers.json").write_text(json.dumps(layers))
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", PROGRAM, str(inputs), str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, **pipes) as process:
        assert process.stdout.readline() == "0\n"
        assert process.stdout.readline() == "1\n"
        process.send_signal(signal.SIGTERM)
        assert process.communicate("go on\n", timeout=120)[0] == "", "goes on after the step"
        assert process.returncode == 128 + signal.SIGTERM
    runs = [base.with_subset(()), base.with_subset(("layer3.0",))]
    expected, steps = undisturbed(runs), []
    place = new_place(inputs, layers, tmp_path)
    assert place.store.missing(runs) == runs
    assert {path.stem for path in place.checkpoints.folder.iterdir()} == {run.id for run in runs}
    each_step(lambda group: steps.append(group.step))
    assert train_missing(runs, place) == 2
    assert steps == [2, 3, 4, 5]
    assert numbers(place, runs) == expected
