"""Runs that differ only in what a lane does with its images are lanes of one training, and equal to separate ones."""

import pytest
import torch

from subtuning.runs import Split
from subtuning.training.loop import LaneGroup
from subtuning.training.runner import Trainer, train_missing
from subtuning.training.schedule import Workload, lane_groups
from subtuning.tuning.tuning import FULL, Tuning
from tests.training.conftest import SUBSETS, new_place, numbers, recipe_of, several

OWN = [
    {"lr": 0.01},
    {"optimizer": "sgd", "lr": 0.1},
    {"schedule": "step", "warmup": 0.3},
    {"weight_decay": 0.5, "label_smoothing": 0.2},
    {"head": "mlp", "head_width": 8},
]


WAYS = [("fp32", torch.float64), ("fp32", torch.float32), ("bf16", torch.float32)]


@pytest.mark.parametrize(("precision", "dtype"), WAYS)
def test_lanes_with_recipes_of_their_own_equal_separate_trainings(inputs, layers, base, tmp_path, precision, dtype):
    base = recipe_of(base, precision=precision)
    runs = [recipe_of(base, **own).with_tuning(Tuning(names)) for own in OWN for names in SUBSETS[:2]]
    together = new_place(inputs, layers, tmp_path / "together", dtype=dtype)
    assert len(lane_groups(runs, together)) == 1
    train_missing(runs, together)
    for run in runs:
        alone = new_place(inputs, layers, tmp_path / run.id, dtype=dtype)
        train_missing([run], alone)
        assert numbers(alone, [run]) == numbers(together, [run]), run.recipe
    assert len({str(found) for found in numbers(together, runs)}) == len(runs), "each recipe gives other numbers"


def test_each_lane_follows_its_own_learning_rate(place, base):
    runs = [recipe_of(base, lr=lr) for lr in (0.1, 0.01)]
    train_missing(runs, place)
    rates = [[point["lr"] for point in record["curve"]] for record in place.store.require(runs)]
    assert rates[0] == pytest.approx([10 * rate for rate in rates[1]])


def test_a_trainer_keeps_what_runs_share_from_one_call_to_the_next(place, base, monkeypatch, undisturbed):
    """As a race calls it: fold by fold, with fewer and fewer candidates."""
    folds = [[run.with_split(Split("cv", 2, fold)) for run in several(base)[fold:]] for fold in (0, 1)]
    expected, made = undisturbed(folds[0] + folds[1]), []
    init = Workload.__init__
    monkeypatch.setattr(Workload, "__init__", lambda self, *words: (made.append(1), init(self, *words))[1])
    trainer = Trainer(place)
    assert [trainer.train(runs) for runs in folds] == [4, 3]
    assert len(made) == 1
    assert numbers(place, folds[0] + folds[1]) == expected
    trainer.train([recipe_of(base, augmentation="flip")])
    assert len(made) == 2, "other batches"


def test_what_fits_is_found_out_for_each_call(place, base):
    """Two large lanes do not go into a place that was measured for a small one and a large one."""
    everything = base.with_tuning(Tuning(FULL))
    trainer, larger = Trainer(place), [recipe_of(everything, lr=lr) for lr in (0.02, 0.03)]
    trainer.train([base, everything])
    before = trainer._last.need
    trainer.train(larger)
    assert sum(trainer._last.need.states) > sum(before.states)
    assert trainer._last.need.cache == 0, "the kept values are there already"


def test_a_new_kind_of_run_opens_anew(place, base, monkeypatch):
    trainer = Trainer(place)
    trainer.train([base])
    steps = []
    advance = LaneGroup.advance
    monkeypatch.setattr(LaneGroup, "advance", lambda group: (steps.append(group.cache is not None), advance(group))[1])
    trainer.train([base.with_tuning(Tuning(("layer1.0",)))])
    assert all(steps), "the values at its cut were computed for it"
