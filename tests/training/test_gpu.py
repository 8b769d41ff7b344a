"""On a CUDA GPU: the numbers of a CPU, the same numbers twice, a lane as its run alone, values kept anywhere."""

import pytest
import torch

from subtuning.benchmark.alternatives import Equal
from subtuning.runs import Split
from subtuning.training import graphs, memory
from subtuning.training.runner import train_missing
from subtuning.tuning.tuning import FULL, How, Tuning
from tests.training.conftest import new_place, numbers, recipe_of, several

pytestmark = [pytest.mark.gpu, pytest.mark.slow]

GPU = torch.device("cuda")
HOWS = [How("lora"), How("biases"), How("norms"), How("scale_shift"), How("reinit")]


def trained(inputs, layers, folder, runs, together=True, **changes):
    """What the records of these runs say, trained on the GPU into a new folder."""
    place = new_place(inputs, layers, folder, **{"device": GPU} | changes)
    for part in [runs] if together else [[run] for run in runs]:
        train_missing(part, place)
    return numbers(place, runs)


def assert_close(left, right, tolerance):
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        assert one["metrics"]["accuracy"] == pytest.approx(other["metrics"]["accuracy"], abs=tolerance)
        assert one["metrics"]["loss"] == pytest.approx(other["metrics"]["loss"], abs=tolerance)
        for point, same in zip(one["curve"], other["curve"], strict=True):
            assert point["train_loss"] == pytest.approx(same["train_loss"], abs=tolerance)


def adapted(base):
    """Each way of training a layer, and all layers."""
    return [base.with_tuning(Tuning(("layer2.0",), how)) for how in HOWS]


def test_the_numbers_of_a_cpu(inputs, layers, base, undisturbed, tmp_path):
    runs = several(base) + adapted(base)
    runs += [recipe_of(base.with_tuning(Tuning(FULL)), augmentation="crop", label_smoothing=0.1)]
    assert_close(trained(inputs, layers, tmp_path, runs), undisturbed(runs), 1e-6)


@pytest.mark.parametrize("settings", [{}, {"precision": "bf16"}, {"augmentation": "crop"}], ids=str)
def test_the_same_numbers_again(inputs, layers, base, tmp_path, settings):
    runs = [recipe_of(run, **settings) for run in several(base) + adapted(base)]
    words = {"dtype": torch.float32}
    first, second = (trained(inputs, layers, tmp_path / name, runs, **words) for name in ("a", "b"))
    assert first == second


def test_a_lane_equals_its_run_alone(inputs, layers, base, tmp_path):
    runs = several(base) + adapted(base)
    together = trained(inputs, layers, tmp_path / "together", runs)
    assert_close(trained(inputs, layers, tmp_path / "alone", runs, together=False), together, 1e-9)


@pytest.mark.parametrize("settings", [{}, {"precision": "fp16"}, {"strategy": "gradual"}], ids=str)
def test_recorded_passes_change_nothing(inputs, layers, base, tmp_path, settings):
    runs = [recipe_of(run, **settings) for run in several(base) + adapted(base)]
    words = {"dtype": torch.float32}
    recorded = trained(inputs, layers, tmp_path / "recorded", runs, **words)
    assert_close(trained(inputs, layers, tmp_path / "not", runs, graphs=False, **words), recorded, 1e-5)


def test_passes_are_recorded_at_the_second_batch(inputs, layers, base, tmp_path, monkeypatch):
    """24 images in batches of 8 are six batches in two epochs: one as it is, then one recorded, and five replayed."""
    replayed, recorded = [], []
    replay, record = graphs.Tape.replay, graphs.Recorder.record
    monkeypatch.setattr(graphs.Tape, "replay", lambda tape, *rest: replayed.append(tape) or replay(tape, *rest))
    monkeypatch.setattr(graphs.Recorder, "record", lambda self, *rest: recorded.append(1) or record(self, *rest))
    trained(inputs, layers, tmp_path, several(base))
    assert len(recorded) == len(several(base))
    assert len(replayed) == 5 * len(recorded)


@pytest.mark.parametrize("storage", [GPU, torch.device("cpu"), None], ids=["gpu", "pinned memory", "nowhere"])
def test_kept_values_change_nothing_wherever_they_lie(
    inputs, layers, base, undisturbed, tmp_path, monkeypatch, storage
):
    splits = [base.with_split(Split("cv", 2, fold)) for fold in (0, 1)]
    runs = [run.with_tuning(Tuning(layer)) for run in splits for layer in ((), ("layer3.0",), ("layer4.0",))]
    fits = memory.Fit(1, len(runs), storage, 0)
    monkeypatch.setattr(memory, "fit", lambda *_: fits)
    found = trained(inputs, layers, tmp_path, runs)
    monkeypatch.undo()
    assert_close(found, undisturbed(runs), 1e-6)


def test_convolutions_on_streams_have_the_same_gradients():
    equal = Equal(torch.nn.Conv2d(4, 6, 3), torch.Size((2, 4, 8, 8)), 3, GPU, torch.float32)
    for one, other in zip(equal.on_streams(), equal.in_turn(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-2)
