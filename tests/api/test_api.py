"""The functions for notebooks: their examples run, they share runs with the commands, wrong input is one sentence."""

import doctest

import numpy as np
import pytest

import subtuning
from subtuning import api
from subtuning.cli import main
from subtuning.errors import UserError
from tests.tiny import pictures

WORDS = {"weights": "random", "input_size": 32, "folds": 2, "epochs": 1, "device": "cpu"}


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return pictures(40)


@pytest.mark.slow
def test_the_examples_of_the_documentation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(api)
    assert found.attempted >= 10
    assert not found.failed


def test_greedy_shares_the_runs_of_the_profile_and_the_commands_see_them(data, capsys):
    table = subtuning.profile("test_resnet", *data, **WORDS)
    before = subtuning.load_runs()
    assert len(before) == 2 * len(table)
    found = subtuning.greedy("test_resnet", *data, max_rounds=1, **WORDS)
    assert len(subtuning.load_runs()) == len(before)
    best = table[~table["layer"].isin(["linear", "full"])]["mean"].max()
    assert found.layers == "linear" or found.score == pytest.approx(best)
    capsys.readouterr()
    assert main(["runs", "--format", "csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(before) + 1


def test_both_searches_in_another_way_than_all_weights(data):
    table = subtuning.profile("test_vit", *data, **WORDS, how="attention").set_index("layer")
    assert list(table.index) == [*(f"blocks.{number}" for number in range(6)), "linear", "full"]
    assert set(table["how"][:6]) == {"attention"}
    assert list(table["parameters"][:6]) == [4 * 64 * 64 + 4 * 64] * 6
    found = subtuning.greedy("test_vit", *data, max_rounds=1, stop="epsilon", **WORDS, how="attention")
    assert found.layers.endswith(" with attention") or found.layers == "linear"
    assert len(subtuning.load_runs()) == 2 * len(table), "round 1 is the profile"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"epoch": 1}, r"options: unknown key 'recipe.epoch' \(did you mean 'epochs'\?\)"),
        ({"weights": "nowhere.pth"}, "nowhere.pth"),
        ({"folds": 1000}, "cannot be split into 1000 folds"),
        ({"how": "attention"}, "search.how is attention, but no layer of this backbone has anything"),
        ({"how": "lora(rank=0)"}, "lora: rank is 0"),
        ({"device": "gpu"}, "--device gpu is not here"),
    ],
)
def test_wrong_options(data, change, sentence):
    with pytest.raises(UserError, match=sentence):
        subtuning.profile("test_resnet", *data, **WORDS | change)


def test_wrong_arrays(data):
    images, labels = data
    for wrong in ((images.astype(np.float32), labels), (images[:, :, :, 0], labels), (images, labels[:3])):
        with pytest.raises(UserError, match="they must be uint8, N x H x W x C, with N labels"):
            subtuning.profile("test_resnet", *wrong, **WORDS)
    with pytest.raises(AttributeError, match="no attribute 'profil'"):
        subtuning.profil  # noqa: B018
