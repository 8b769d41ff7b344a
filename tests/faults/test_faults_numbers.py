"""Memory that runs out, a loss that is no number, clocks that jump: the other results stay what they are."""

import pytest

from subtuning.analysis.files import read_csv
from tests.faults.compare import RUNS, TARGET, assert_profile_like, numbers, trainings
from tests.workflow.snake import records, what

FOLD = RUNS // 2
"""Lanes of one fold of the profile."""


@pytest.mark.parametrize("kind", ["gpu", "cpu"])
@pytest.mark.parametrize("step", [0, 1])
def test_memory_that_runs_out_halves_the_lanes(folder, undisturbed, finish, kind, step):
    """On the CPU it is the allocator's own error, for memory that no machine has."""
    log = folder / "log"
    result = finish(folder, ["run_out_of_memory", kind, step, 3], ["log_trainings", str(log)])
    assert result.output.count(f"{FOLD} lanes do not fit into memory; training them in two halves") == 2
    assert result.output.count("4 lanes do not fit into memory") == 2
    assert result.output.count("5 lanes do not fit into memory") == 2
    assert set(trainings(log).values()) == {1}
    assert {record["lanes"] for record in records(folder).values()} == {2, 3}
    assert_profile_like(folder, undisturbed)


def test_a_run_that_fits_nowhere_is_one_sentence(folder, trainer):
    result = trainer(folder, ["run_out_of_memory", "cpu", 0, 0])
    assert result.code == 2
    assert "does not fit into the memory of cpu; lower recipe.batch_size" in result.output
    assert "Traceback" not in result.output


@pytest.mark.slow
def test_one_lane_of_nine_diverges(folder, undisturbed, snakemake):
    """It is recorded as that and never chosen; the eight others are what they are without it."""
    bad = "blocks.2"
    result = snakemake(folder, ["poison", bad])
    assert result.code == 0, result.output
    found, expected = ({what(r): r for r in numbers(place).values()} for place in (folder, undisturbed))
    diverged = {name for name, record in found.items() if record["status"] == "diverged"}
    assert diverged == {(bad, "cv", fold, 0) for fold in (0, 1)}
    alone = {name: record for name, record in found.items() if name[1] == "cv" and "+" not in name[0]}
    assert len(alone) == RUNS
    for name in alone.keys() - diverged:
        assert alone[name] == expected[name]
    table = read_csv(folder / TARGET).set_index("layer")
    assert table.loc[bad, "mean"] != table.loc[bad, "mean"], "an empty cell, not a number"
    rounds = read_csv(folder / "results/cells/tiny/greedy.csv")
    assert not rounds[rounds["chosen"] == "yes"]["layer"].eq(bad).any()
    assert bad not in set(read_csv(folder / "results/cells/tiny/evaluation.csv")["layers"])


def test_clocks_that_jump_change_no_result(folder, undisturbed, finish):
    finish(folder, ["jumping_clock"])
    assert_profile_like(folder, undisturbed)
