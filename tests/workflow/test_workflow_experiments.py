"""The experiments of `config/experiments/`, scaled down, through the workflow."""

import pytest

from subtuning.analysis.files import read_csv
from tests.workflow.snake import LAYERS, changed, new_folder, records

TASKS = {f"cells_{count}_0": {"source": "arrays", "path": "cells.npz", "train_images": count} for count in (30, 60)}
EXPERIMENTS = {"pairs": {}, "windows": {"sizes": [2]}, "stability": {"seeds": 2, "epsilon": [1]}}
EXPERIMENTS["active"] = {"labelled": [9, 12, 15], "acquire": ["margin", "random"], "train": ["last 1"], "seeds": 2}


@pytest.mark.slow
def test_experiments_run_through_the_workflow(tmp_path, snakemake):
    folder = new_folder(tmp_path, changed("tasks", TASKS, "greedy.max_rounds", 1, "experiments", EXPERIMENTS))
    drawn = [f"results/figures/cells_30_0/tiny/{name}.svg" for name in EXPERIMENTS]
    result = snakemake(folder, "results/tables/sizes.md", *drawn)
    assert result.code == 0, result.output
    pairs = read_csv(folder / "results/cells_30_0/tiny/pairs.csv")
    assert len(pairs) == len(LAYERS) * (len(LAYERS) + 1) / 2
    windows = read_csv(folder / "results/cells_30_0/tiny/windows.csv")
    both = windows[windows["size"] == 2].set_index("layers")["mean"]
    of_pairs = (
        (pairs["first"] + "+" + pairs["second"]).to_frame("layers").join(pairs["mean"]).set_index("layers")["mean"]
    )
    assert both.to_dict() == of_pairs[both.index].to_dict()
    for figure in (*drawn, "results/figures/sizes.svg"):
        assert (folder / figure).stat().st_size > 1000
    stability = read_csv(folder / "results/cells_30_0/tiny/stability.csv").set_index("variant")
    assert stability.loc[["as configured", "epsilon 1"], "overlap"].tolist() in ([1, 0], [1, 1])
    active = read_csv(folder / "results/cells_30_0/tiny/active.csv")
    assert active["labelled"].tolist() == [9, 12, 15] * 2
    assert active["n"].tolist() == [2] * 6
    sizes = read_csv(folder / "results/tables/sizes.csv")
    assert set(sizes["family"]) == {"cells"}
    for images in (30, 60):
        alone = read_csv(folder / f"results/cells_{images}_0/tiny/evaluation.csv").set_index("method")["mean"]
        assert sizes[sizes["images"] == images].set_index("method")["mean"].to_dict() == alone.to_dict()
    assert len(records(folder)) < 250
