"""Before the first training: how long a long start takes; names of models and packages; room for what is trained."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from subtuning.analysis.time_left import time_words
from subtuning.backbones.names import check_names
from subtuning.config import BackboneEntry, parse_config
from subtuning.errors import UserError
from subtuning.search.steps import settings_of, steps_of
from subtuning.search.study import Study
from subtuning.tuning.tuning import Tuning
from subtuning.workflow import timing
from subtuning.workflow.timing import TimeLeft, say_time_left
from subtuning.workspace.estimates import models_size, output_of, plan_of, what_is_left
from subtuning.workspace.forecast import Speed
from subtuning.workspace.pair import base_run
from subtuning.workspace.prepared import prepared_backbone
from tests.cli.big import SMALL, known_runs, prepare, train

RESULTS = Path("results")
SLOW = Speed(1e2, 0.1, 1.0, "a slow machine")


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Two tasks and a backbone, prepared."""
    monkeypatch.chdir(tmp_path)
    config = parse_config(SMALL)
    prepare(config, RESULTS, layers=3)
    return config


def planned(config, speed):
    for task in config.tasks:
        for backbone in config.backbones:
            folder = RESULTS / task / backbone
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "plan.json").write_text(json.dumps(plan_of(["profile"], speed)))


def test_a_long_start_says_how_long(config, capsys):
    say_time_left(config)
    assert capsys.readouterr().err == "", "it is said later, when it is known"
    say_time_left(config, dry=True)
    assert capsys.readouterr().err.startswith("Time: not known before images and networks are prepared")
    planned(config, SLOW)
    say_time_left(config)
    said = capsys.readouterr().err
    assert said.startswith("Time: about ")
    assert said.endswith("to train what is left of this config, on a slow machine.\n")
    for task in config.tasks:
        for name in (
            "profile.csv",
            "tune.csv",
            "evaluation/runs.json",
            *(f"greedy/forward/round{i}.json" for i in range(9)),
        ):
            file = RESULTS / task / next(iter(config.backbones)) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    say_time_left(config, dry=True)
    assert capsys.readouterr().err == "", "nothing is left"


def test_a_short_start_says_nothing(config, capsys):
    planned(config, Speed(1e15, 0.0, 0.0, "a fast machine"))
    say_time_left(config, dry=True)
    planned(config, None)
    say_time_left(config, dry=True)
    assert capsys.readouterr().err == ""


def test_the_time_left_is_the_forecast_at_the_pace_of_what_is_finished(config, monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(timing, "time", SimpleNamespace(monotonic=lambda: clock.now))
    config = config.model_copy(update={"greedy": config.greedy.model_copy(update={"max_rounds": 3})})
    left = TimeLeft(config)
    files = ["profile.csv", *(f"greedy/forward/round{number}.json" for number in (1, 2, 3)), "evaluation/runs.json"]
    left.needed = {f"results/{task}/net/{file}" for task in config.tasks for file in files}
    assert left.words() == "", "nothing is prepared for training"
    planned(config, None)
    assert left.words() == "", "nothing is measured or finished"
    train([run for run in known_runs(config, RESULTS) if run.split.kind == "cv"], RESULTS)
    now = what_is_left(config, RESULTS, left.needed, timing.SLOW)
    assert now.at_most, "the third round may not be needed"
    for clock.now in (5e3, 2e4):
        assert left.words() == f"at most about {time_words(now.seconds * clock.now / now.done)} left in all"
    while train(known_runs(config, RESULTS), RESULTS):
        pass
    assert left.words() == "", "nothing is left"


def test_the_time_left_begins_with_a_speed_that_was_measured(config):
    planned(config, SLOW)
    left = TimeLeft(config)
    left.needed = {"results/one/net/profile.csv"}
    profile = what_is_left(config, RESULTS, left.needed)
    assert 0 < profile.seconds < what_is_left(config, RESULTS).seconds
    assert left.words() == f"about {time_words(profile.seconds)} left in all"
    assert left.words() == "", "a look at everything is rare"


def test_every_step_has_the_file_that_the_workflow_makes_last():
    steps = ["profile", "profile/test", "greedy/forward/2", "tune", "evaluation"]
    files = ["profile.csv", "profile_test.csv", "greedy/forward/round2.json", "tune.csv", "evaluation/runs.json"]
    assert [*map(output_of, steps)] == files


def test_names_are_checked_without_importing_anything():
    for model in ("resnet50.tv2_in1k", "vit_base_patch16_224.dino", "tv_resnet34", "hf-hub:a/b", "local-dir:c"):
        check_names("net", BackboneEntry(model=model))
    with pytest.raises(
        UserError, match=r"config: backbones.net.model: timm has no model 'resnet5' \(did you mean 'resnet"
    ):
        check_names("net", BackboneEntry(model="resnet5"))
    with pytest.raises(UserError, match="package no_such_model is not installed; run: pip install no-s"):
        check_names("net", BackboneEntry(model="resnet50", weights="package:no_such_model"))


def test_a_stage_is_no_layer():
    with pytest.raises(
        UserError, match=r"^'layer4' is a stage; name its layers: layer4.0, layer4.1 \(or: stage layer4\)$"
    ):
        Tuning.parse("layer4", ["stem", "layer3.0", "layer4.0", "layer4.1"])


def test_the_room_that_trained_tensors_take(config):
    layers = prepared_backbone(config, "net", RESULTS)
    settings = settings_of(config, "net")
    study = Study(
        settings, base_run("", layers, config.recipe_of("one", "net"), ("one", "net")), layers, lambda run: None
    )
    full, layer = 1000 + 1001 + 1002, 1001
    steps = steps_of(settings)
    assert models_size(study, steps) == 4 * (2 * full + 4 * layer), "two seeds of full, best_layer and greedy"
    study.settings["evaluate.models"] = False
    assert models_size(study, steps) == 0
