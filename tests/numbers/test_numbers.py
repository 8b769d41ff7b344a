"""An edit that changes numbers raises their version; of an edit that does not, somebody has said so."""

import json

import pytest

from subtuning.config import Recipe
from subtuning.registry import names_of
from subtuning.runs import numbers
from subtuning.runs.numbers import Change, latest_numbers
from tests.numbers import __main__ as command
from tests.numbers import golden, ledger
from tests.tiny import make_run

DO = "run `python -m tests.numbers`: it says whether numbers changed, and what to do then"


@pytest.fixture(scope="module")
def trainings():
    return golden.compute()


def test_golden_trainings_give_the_numbers_they_gave(trainings):
    assert golden.differences(trainings, golden.read()["trainings"]) == [], DO


def test_golden_numbers_are_of_this_version():
    assert golden.read()["numbers"] <= latest_numbers()
    assert json.loads(ledger.FILE.read_text())["numbers"] == latest_numbers(), DO


def test_no_numerical_file_was_edited_without_a_look_at_the_numbers():
    now, known = ledger.compute(), ledger.read()
    assert [name for name in now.keys() | known.keys() if now.get(name) != known.get(name)] == [], DO


def test_the_golden_trainings_cover_every_choice_of_the_recipe():
    """A new choice of an optimiser, a schedule, ... has a training of its own."""
    covered = {value for changes in golden.RECIPES.values() for value in changes.values()} | {"auto"}
    covered |= {getattr(make_run().recipe, key) for key in Recipe.model_fields}
    assert set(names_of("strategies")) <= covered
    for key, field in Recipe.model_fields.items():
        choices = getattr(field.annotation, "__args__", ())
        assert set(choices) <= covered, key


def test_every_training_differs_from_the_usual_one(trainings):
    """A golden training whose change does nothing would guard nothing."""
    usual = trainings["test_resnet full, as usual"]
    for words in golden.RECIPES:
        if words not in ("as usual", "strategy displacement"):  # the latter looks on and changes nothing
            assert golden.differences({"x": trainings[f"test_resnet full, {words}"]}, {"x": usual}), words


@pytest.mark.parametrize("name", ["backbones/graph.py", "training/loop.py", "tasks/task.py", "tuning/lane.py"])
def test_the_ledger_sees_an_edit_and_no_comment(name, tmp_path, monkeypatch):
    for file in ledger.PACKAGE.glob("**/*.py"):
        copy = tmp_path / file.relative_to(ledger.PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(file.read_text())
    monkeypatch.setattr(ledger, "PACKAGE", tmp_path)
    before = ledger.compute()
    (tmp_path / name).write_text((tmp_path / name).read_text() + "\n# a remark\n")
    assert ledger.compute() == before
    (tmp_path / name).write_text((tmp_path / name).read_text() + "\nX = 1\n")
    assert {key for key, value in ledger.compute().items() if before[key] != value} == {name}


def test_a_change_concerns_some_runs_and_leaves_the_others_valid(monkeypatch):
    crop, plain = make_run(augmentation="crop"), make_run()
    before = {crop: crop.id, plain: plain.id}
    about_crops = Change(latest_numbers() + 1, "crops", lambda identity: identity["recipe"]["augmentation"] == "crop")
    monkeypatch.setattr(numbers, "CHANGES", (*numbers.CHANGES, about_crops))
    assert make_run().id == before[plain]
    assert make_run(augmentation="crop").id != before[crop]
    assert make_run(augmentation="crop").identity()["numbers"] == about_crops.version


def test_changes_are_numbered_in_order_and_the_first_concerns_all():
    assert [change.version for change in numbers.CHANGES] == list(range(1, len(numbers.CHANGES) + 1))
    assert numbers.CHANGES[0].concerns({})


def test_the_command_refuses_new_numbers_under_an_old_version(tmp_path, monkeypatch, capsys, trainings):
    """And takes them with a new one."""
    for module in (golden, ledger):
        monkeypatch.setattr(module, "FILE", tmp_path / module.FILE.name)
    monkeypatch.setattr(golden, "compute", lambda: trainings)
    other = {name: [1 + value for value in values] for name, values in trainings.items()}
    golden.FILE.write_text(json.dumps({"numbers": latest_numbers(), "trainings": other}))
    assert command.main() == 1
    assert "add a Change" in capsys.readouterr().out
    assert not ledger.FILE.exists()
    everyone = Change(latest_numbers() + 1, "all", lambda identity: True)
    monkeypatch.setattr(numbers, "CHANGES", (*numbers.CHANGES, everyone))
    assert command.main() == 0
    assert golden.read() == {"numbers": everyone.version, "trainings": trainings}
    assert ledger.read() == ledger.compute()
