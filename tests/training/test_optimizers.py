"""Learning rate schedules and optimisers by the recipe's names."""

import pytest
import torch
from torch import nn

from subtuning.training.optim import learning_rate, new_optimizer, set_learning_rate
from tests.tiny import recipe


def rates(steps, **settings):
    return [learning_rate(recipe(lr=0.5, **settings), step, steps) for step in range(steps)]


def test_constant():
    assert rates(4, schedule="constant") == [0.5] * 4


def test_step_is_a_tenth_after_each_third():
    for third in (1, 5, 37, 411):
        found = rates(3 * third, schedule="step")
        assert found == pytest.approx([0.5] * third + [0.05] * third + [0.005] * third)


def test_cosine_falls_from_the_peak_through_its_half_to_almost_zero():
    found = rates(100, schedule="cosine")
    assert found[0] == 0.5
    assert found[50] == pytest.approx(0.25)
    assert 0 < found[-1] < 1e-3
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("schedule", ["cosine", "step", "constant"])
def test_warm_up_rises_linearly_to_the_peak_and_then_the_schedule_begins(schedule):
    found = rates(40, schedule=schedule, warmup=0.25)
    assert found[:10] == pytest.approx([0.05 * (step + 1) for step in range(10)])
    assert found[10:] == pytest.approx(rates(30, schedule=schedule))


def test_short_trainings_have_a_rate_for_every_step():
    for warmup in (0.0, 0.5, 0.99):
        for steps in (1, 2, 3):
            assert all(0 < rate <= 0.5 for rate in rates(steps, schedule="cosine", warmup=warmup))


@pytest.mark.parametrize(
    ("name", "kind"), [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)]
)
def test_an_optimizer_has_the_recipes_values_and_only_trained_parameters(name, kind):
    lane = nn.Sequential(nn.Linear(2, 2).requires_grad_(False), nn.Linear(2, 3))
    optimizer = new_optimizer(list(lane[1].parameters()), recipe(optimizer=name, lr=0.3, weight_decay=0.2))
    (group,) = optimizer.param_groups
    assert type(optimizer) is kind
    assert (group["lr"], group["weight_decay"]) == (0.3, 0.2)
    assert group.get("momentum", 0.9) == 0.9
    assert [id(p) for p in group["params"]] == [id(p) for p in lane[1].parameters()]
    set_learning_rate(optimizer, 0.1)
    assert group["lr"] == 0.1
