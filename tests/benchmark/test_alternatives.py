"""Other ways to train equal lanes compute the same, so that their times can be compared."""

import pytest
import torch

from subtuning.benchmark import agreement, alternatives
from subtuning.benchmark.job import Job
from tests.tiny import CPU


def job(**changes):
    return Job(**{"model": "test_resnet", "input_size": 32, "batch_size": 8, "device": CPU, "images": 40} | changes)


@pytest.mark.parametrize(
    ("model", "kind", "ways"),
    [
        ("test_resnet", "1x1", {"grouped", "bmm"}),
        ("test_resnet", "3x3", {"grouped"}),
        ("test_efficientnet", "depthwise", {"grouped"}),
    ],
)
def test_lanes_as_one_operation_have_the_same_gradients(model, kind, ways):
    equal = alternatives.Equal(*alternatives.largest(job(model=model))[kind], 3, CPU, torch.float32)
    wanted = equal.in_turn()
    assert equal.ways.keys() == ways
    for function in equal.ways.values():
        for one, other in zip(function(), wanted, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


def test_each_kind_of_convolution_is_measured_in_each_way():
    rows = alternatives.by_fusing(job(), 1)
    assert {(row["kernels"], row["way"]) for row in rows} == {("1x1", "grouped"), ("1x1", "bmm"), ("3x3", "grouped")}
    assert all(row["ratio"] > 0 for row in rows)


def test_what_compiling_costs_is_counted():
    (row,) = alternatives.by_compiling(job(), 1, backend="eager")
    assert row["ratio"] > 0
    assert (row["pays_after"] is None) == (row["ours_s"] >= row["other_s"])


def test_a_processor_agrees_with_itself_and_less_so_in_bf16():
    same, low = agreement.against_a_processor(job(precision="bf16"))
    assert (same["relative_difference"], same["precision"], low["precision"]) == (0, "fp32", "bf16")
    assert same["loss"] == same["loss_processor"]
    assert 0 < low["relative_difference"] < 0.1
    assert low["loss"] == pytest.approx(low["loss_processor"], abs=0.1)
