"""The benchmarks measure what they say: ratios, arithmetic, plain PyTorch that does the same, and races on records."""

import csv
import re
import time
from functools import partial
from importlib import import_module
from operator import attrgetter
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from subtuning.benchmark import (
    alternatives,
    conventional,
    dropping,
    effort,
    launches,
    page,
    phases,
    scaling,
    stopping,
    streaming,
)
from subtuning.benchmark.job import Job
from subtuning.benchmark.lanes import Plain
from subtuning.benchmark.scaling import Watch
from subtuning.benchmark.timing import Ratio, compare, flops
from subtuning.cli import main
from subtuning.tuning.convolutions import replace_convolutions
from subtuning.tuning.tuning import Tuning
from tests.search.test_stopping import right, study
from tests.tiny import CPU

TINY = ["--model", "test_resnet", "--input-size", "32", "--batch-size", "8", "--images", "40", "--repeats", "1"]


def in_this_process(function, *words):
    """In the place of `in_a_process`: a new process spends its time on importing torch."""
    return 0.0, function(*words)


def job(**changes):
    return Job(**{"model": "test_resnet", "input_size": 32, "batch_size": 8, "device": CPU, "images": 40} | changes)


def test_a_ratio_is_the_median_of_neighbours():
    found = Ratio.of([1.0, 2.0, 4.0], [3.0, 4.0, 16.0])
    assert (found.ours, found.other, found.ratio, found.low, found.high, found.n) == (2.0, 4.0, 3.0, 2.0, 4.0, 3)


def test_both_are_called_in_turn_and_the_first_time_does_not_count():
    calls = []
    found = compare(lambda: calls.append("ours"), lambda: calls.append("other"), CPU, repeats=2)
    assert calls == ["ours", "other"] * 3
    assert found.n == 2


def test_operations_are_counted():
    left, right = torch.ones(4, 8), torch.ones(8, 2)
    assert flops(lambda: left @ right) == 2 * 4 * 8 * 2


@pytest.mark.parametrize("groups", [1, 2, 8])
@pytest.mark.parametrize(
    ("kind", "stride"), [(torch.nn.Conv2d, 1), (torch.nn.Conv2d, 2), (torch.nn.ConvTranspose2d, 2)]
)
def test_each_gradient_of_a_convolution_takes_what_its_forward_pass_takes(kind, stride, groups):
    layer = kind(8, 8, 3, stride, padding=1, groups=groups)
    images = torch.ones(4, 8, 6, 6)
    places = images.shape[-1] ** 2 if kind is torch.nn.ConvTranspose2d else layer(images).shape[-1] ** 2
    forward = 2 * 4 * places * 8 * (8 // groups) * 9
    assert flops(lambda: layer(images)) == forward
    assert flops(lambda: layer(images).sum().backward()) == 2 * forward, "weights alone"
    assert flops(lambda: layer(images.requires_grad_()).sum().backward()) == 3 * forward
    layer.weight.requires_grad_(False)
    assert flops(lambda: layer(images).sum().backward()) == 2 * forward, "images alone"


def test_gradients_that_are_summed_tap_by_tap_count_as_torchs_own():
    convolution = torch.nn.Conv2d(6, 6, 5, padding=2, groups=6)
    images = torch.randn(4, 6, 3, 3)

    def step():
        hastened(images).sum().backward()

    hastened = convolution
    expected = flops(step)
    hastened = replace_convolutions(torch.nn.Sequential(convolution))
    assert hastened(images).grad_fn.name() == "_ByTapsBackward"
    assert flops(step) == expected > 0


def test_plain_steps_train_what_lanes_train_and_need_more_arithmetic():
    this = job(precision="fp32")
    batch = this.train.batch(np.arange(8))
    tuning = Tuning(("layer3.0",))
    plain, group = Plain(this, tuning, batch), this.group([tuning])
    trained = {name for name, p in plain.network.named_parameters() if p.requires_grad}
    ours = {name for module in group.lanes[0].lane.trained.values() for name, _ in module.named_parameters()}
    assert trained == ours
    before = {name: p.detach().clone() for name, p in plain.network.named_parameters()}
    plain.step()
    moved = {name for name, p in plain.network.named_parameters() if not torch.equal(p, before[name])}
    assert moved <= trained
    assert len(moved) > len(trained) / 2, "all but biases that began at zero behind dead units"
    several = [Tuning((name,)) for name in this.layers]
    singles = [Plain(this, one, batch) for one in several]
    together = this.group(several)
    assert flops(lambda: [single.step() for single in singles]) > flops(together.advance) > 0


@pytest.mark.slow
def test_one_call_measures_everything(tmp_path, monkeypatch):
    """As on a machine that is lent for ten minutes: a page, and a table with numbers of every kind."""
    monkeypatch.setattr(scaling, "in_a_process", in_this_process)
    for module in (conventional, streaming):
        monkeypatch.setattr(module, "in_a_process", lambda *words: (1.0, in_this_process(*words)[1]))
    monkeypatch.setattr(alternatives, "by_compiling", partial(alternatives.by_compiling, backend="eager"))
    monkeypatch.setattr(streaming, "IMAGES", (40,))
    monkeypatch.setattr(streaming, "STEPS", 2)
    assert main(["benchmark", "all", *TINY, "--epochs", "1", "--out", str(tmp_path / "all")]) == 0
    written = (tmp_path / "all/speed.md").read_text()
    assert "Failed" not in written
    assert "Not measured" not in written
    tables = {file.stem: list(csv.DictReader(file.open())) for file in (tmp_path / "all").glob("*.csv")}
    assert tables.keys() == set(re.findall("^## (.+)$", written, re.MULTILINE)) == {
        *("lanes", "graphs", "launches", "overhead", "precision", "memory", "streaming"),
        *("agreement", "fused", "compile", "conventional", "lr-grid", "scaling"),
    }  # fmt: skip
    for kind, rows in tables.items():
        key = {"memory": "planned_to_measured", "launches": "operators", "agreement": "loss"}.get(kind, "ratio")
        assert rows
        assert all(float(row[key]) > 0 for row in rows)
    assert {row["same_losses"] for row in tables["lr-grid"]} == {"True"}


def test_a_step_is_measured_against_its_convolutions(tmp_path, capsys):
    out = tmp_path / "speed.csv"
    assert main(["benchmark", "kernels", *TINY, "--out", str(out)]) == 0
    rows = {row["kernels"]: row for row in csv.DictReader(out.open())}
    convolutions = [one for one in job().network().modules() if isinstance(one, torch.nn.Conv2d)]
    assert int(rows["all"]["calls"]) == 2 * len(convolutions), "each forward and backward"
    for way in ("forward", "backward"):
        assert int(rows[f"1x1 {way}"]["calls"]) == sum(one.kernel_size == (1, 1) for one in convolutions)
    assert all(float(row["ratio"]) > 0 and float(row["gflop_s"]) > 0 for row in rows.values())
    assert "test_resnet" in capsys.readouterr().err


def test_a_cpu_starts_operators_and_no_kernels():
    (row,) = launches.by_step(job())
    assert row["operators"] > 100
    assert (row["launches"], row["idle_share"], row["passes"]) == (0, None, "as they are")


def test_one_page_has_every_table_that_there_was_time_for(tmp_path, monkeypatch):
    clock = iter([0, 1, 2, 3, 4, 5, 300])  # seconds at each look at it: the last kind comes too late
    monkeypatch.setattr(page, "time", SimpleNamespace(monotonic=lambda: next(clock), strftime=time.strftime))
    kinds = {
        "lanes": lambda: [{"lanes": 17, "ratio": 5.0}],
        "graphs": lambda: 1 / 0,
        "memory": lambda: [{"planned_mb": 3}],
    }
    written = page.measure_all(kinds, 2, tmp_path / "new", "resnet50", CPU)
    lines = written.read_text().splitlines()
    assert lines[0] == "# How fast training is: resnet50"
    assert "|      17 |       5 |" in lines
    assert "Failed: ZeroDivisionError: division by zero" in lines
    assert lines[-1] == "Not measured: the time was over."
    assert [file.name for file in (tmp_path / "new").glob("*.csv")] == ["lanes.csv"]


def test_the_conventional_way_trains_in_processes_of_its_own(tmp_path):
    out = tmp_path / "speed.csv"
    assert main(["benchmark", "conventional", *TINY, "--epochs", "1", "--singles", "1", "--out", str(out)]) == 0
    (row,) = csv.DictReader(out.open())
    assert row["test_images"] == "797"
    assert 0 < float(row["accuracy"]) < 1
    assert 0 < float(row["accuracy_conventional"]) < 1
    assert float(row["other_s"]) > 1, "a process starts, imports and trains"


def test_a_watch_sees_memory_that_is_gone_at_the_end():
    with Watch(CPU) as watch:
        held = np.ones(40_000_000)  # 320 MB
        time.sleep(0.1)
        del held
    assert 250e6 < watch.rise < 500e6


def test_a_fast_search_is_played_on_the_records_of_a_full_one():
    """b alone is best, and a beside it; c and the tail never win. Test records are known of b with a, and of b."""
    answers = {"linear": right((0, 100)), "b": right((0, 150)), "a": right((0, 130)), "a+b": right((0, 170))}
    settings = {"profile.folds": 2, "profile.shards": 1, "search.first_seed": 0, "search.metric": "accuracy"}
    full = study(answers, **settings)
    get = full.get
    full.get = lambda run: None if run.split.kind == "test" or run.seed else get(run) | {"seconds": 2.0}
    assert len(list(effort.searches(full))) == 1, "of other first seeds nothing is finished"
    rows = effort.choices(next(effort.searches(full)))
    assert [(row["step"], row["full"], row["fast"]) for row in rows] == [
        ("profile", "b", "b"),
        ("round 2", "a+b", "a+b"),
    ]
    first, second = rows
    assert (first["lanes_full"], first["lanes_fast"]) == (2 * 12, 2 * (4 + 4 + 1)), (
        "two epochs; in the second fold: b, and what is compared"
    )
    assert (second["lanes_full"], second["lanes_fast"]) == (2 * 6, 2 * (3 + 1))
    assert first["seconds_full"] == 24
    assert (first["clear"], first["worse"], first["lost"], first["lost_test"]) == (True, False, 0, 0)
    found = effort.summary(rows)[-1]
    assert (found["choice"], found["n"], found["lanes %"], found["same %"]) == ("all", 2, 72.2, 100)
    assert found["lost, test"] == "0.00 [0.00, 0.00]"
    other = rows[0] | {"same": False, "lost_test": float("nan")}
    assert effort.summary([*rows, other])[-1]["lost, test"] == "not known of 1", "the known ones alone flatter"


def test_the_test_set_is_asked_for_seeds_from_0_whatever_the_search_began_with():
    full = study({"b": right((0, 150)), "a": right((0, 130))}, **{"search.first_seed": 100})
    get = full.get
    full.get = lambda run: get(run) if run.split.kind == "test" and run.seed < 3 else None
    best = [Tuning(("b",)), Tuning(("a",))]
    assert effort._lost_on_test(full, best) == pytest.approx(20 / 200)
    full.get = lambda run: get(run) if run.seed >= 100 else None
    assert np.isnan(effort._lost_on_test(full, best))


@pytest.mark.parametrize("place", phases.WATCHED)
def test_what_the_phases_watch_is_there(place):
    module, _, path = place.partition(":")
    assert callable(attrgetter(path)(import_module(module)))


def test_the_time_of_several_phases_is_divided_among_them():
    events = [(10, "a", 1), (11, "b", 1), (13, "a", -1), (14, "b", -1), (16, "a", 1), (17, "a", -1)]
    assert phases.divide(events) == {"a": 1 + 1 + 1, "b": 1 + 1}


def test_a_race_seldom_drops_who_is_clearly_best():
    rows = {(row["candidates"], row["round"]): row for row in dropping.simulate(3)}
    one = rows["one, 3 points", 1]
    assert one["trainings %"] < 60
    assert one["fast behind by 2 %"] <= one["full behind by 2 %"] + 17, "of 12 searches two at most"
    assert rows["all of these", 2]["trainings %"] == pytest.approx(13.3, abs=1), (
        "four candidates of 15, then two, and one"
    )


def test_a_simulated_search_adds_the_layer_that_is_worth_most():
    played = stopping.search(np.random.default_rng(0), (0.1, -0.1), 500, 0.8)
    assert played.gains[0] == 0.1
    assert played.better[0].candidates.shape == (stopping.CANDIDATES, 500)
    assert played.better[0].candidates.mean(axis=1) == pytest.approx([0.9, 0.7, *[0.8] * 14], abs=0.06)
    assert stopping.by_test(played.better) >= 1
    differing = abs(played.rounds[0].candidates[2] - played.rounds[0].candidates[3]).mean()
    assert 0.08 < differing < 0.2, "trainings agree on most images"


def test_the_default_rule_errs_least_in_the_simulation():
    rows = {row["rule"]: row for row in stopping.simulate(4) if row["useful layers"] == "all of these"}
    assert rows["epsilon 0"]["useless"] > 0.7
    assert rows["test"]["useless"] < 0.2
    assert rows["test"]["errors"] < min(rows["epsilon 0"]["errors"], rows["one_se"]["errors"])
    assert abs(rows["epsilon 0"]["corrected"]) < rows["epsilon 0"]["reported"] / 2


def test_starts_that_cannot_be_measured_are_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["benchmark", "start", "--repeats", "1"]) == 2
    assert "failed; run the workflow once first" in capsys.readouterr().err
