"""An adapter, a selector and an experiment from outside of the package run through the workflow as they are; so do the
cheap rankings and a subset that is chosen by one."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from subtuning.analysis.files import read_csv
from tests.workflow.snake import LAYERS, changed, new_folder, records, what
from tests.workflow.test_workflow_wrong_input import check_output

TOYS = Path(__file__).parents[1] / "toys"
SUBSETS = {"mine": "middle with biases_only", "last": "last 2", "ranked": "displacement 2"}
EXPERIMENTS = {"neighbours": {"size": 2}, "rankings": {}}


@pytest.fixture
def toys(warm_environment):
    """Environment in which the toys are installed, as far as Python can tell."""
    return {"PYTHONPATH": os.pathsep.join([warm_environment["PYTHONPATH"], str(TOYS)])}


@pytest.mark.slow
def test_toys_run_through_the_workflow(tmp_path, snakemake, toys):
    folder = new_folder(tmp_path, changed("evaluate/subsets", SUBSETS, "experiments", EXPERIMENTS))
    result = snakemake(folder, "all", **toys)
    assert result.code == 0, result.output
    table = read_csv(folder / "results/cells/tiny/neighbours.csv")
    assert list(table["layers"]) == [f"{one}+{other}" for one, other in pairwise(LAYERS)]
    assert (folder / "results/figures/cells/tiny/neighbours.svg").stat().st_size > 1000
    compared = read_csv(folder / "results/cells/tiny/evaluation.csv").set_index("method")
    middle = LAYERS[len(LAYERS) // 2]
    assert compared.loc["mine", "layers"] == f"{middle} with biases_only"
    assert compared.loc["last", "layers"] == "+".join(LAYERS[-2:])
    assert compared.loc["linear", "trained_parameters"] < compared.loc["mine", "trained_parameters"]
    assert compared.loc["mine", "trained_parameters"] < compared.loc["best_layer", "trained_parameters"]
    ranked = read_csv(folder / "results/cells/tiny/rankings.csv").set_index("ranking").loc["displacement", LAYERS]
    assert set(compared.loc["ranked", "layers"].split("+")) == set(ranked.astype(float).nlargest(2).index)
    assert (folder / "results/figures/cells/tiny/rankings.svg").stat().st_size > 1000
    own = {what(record)[0] for record in records(folder).values()}
    assert {f"{middle} with biases_only", *table["layers"]} <= own
    assert "Nothing to be done" in snakemake(folder, "all", **toys).output


def test_wrong_options_of_an_experiment_stop_before_anything(tmp_path, snakemake, toys):
    folder = new_folder(tmp_path, changed("experiments", {"neighbours": {"size": "two"}}))
    check_output(snakemake(folder, **toys), "error: experiments.neighbours is {'size': 'two'}; it must be {size: K}")
    folder = new_folder(tmp_path / "other", changed("experiments", {"neighbour": {}}))
    check_output(
        snakemake(folder, **toys), "error: experiments.neighbour: there is no 'neighbour' among the experiments"
    )
