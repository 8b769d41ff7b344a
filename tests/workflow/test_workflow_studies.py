"""Each config of `config/experiments/`, and the paper's, through the workflow to its tables and figures: as it is
written, but with small data, networks and numbers."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from subtuning.analysis.files import read_csv
from tests.tasks import synthetic
from tests.workflow.snake import LAYERS, ROOT, new_folder, records, write_arrays

KEPT = {
    "active": (["digits"], ["lite0"]),
    "cifar100": (["cifar100"], ["lite0"]),
    "corruptions": (["cifar10_200", "gaussian_noise"], ["lite0_stages"]),
    "digits": (["digits"], ["efficientnet_lite0"]),
    "methods": (["digits_200", "cifar10_200"], ["lite0", "mobilenet"]),
    "methods_more": (["digits_200", "cifar10_200"], ["lite0", "mobilenet"]),
    "pairs": (["digits_200"], ["lite0"]),
    "paper": (["cifar100"], ["resnet50"]),
    "pretraining": (["cifar10_200"], ["mobilenet_supervised", "mobilenet_random"]),
    "sizes": ([f"cifar10_{images}_{draw}" for images in (100, 1000) for draw in (0, 1)], ["lite0_stages"]),
    "worth": (["digits_200"], ["lite0"]),
}
"""Of each config, the tasks and backbones that are tried."""

FEWER = {100: 30, 200: 60, 1000: 60}
"""`train_images` of a config -> here."""

LIBRARY = """\
import numpy
corruption_dict = {"gaussian_noise": lambda image, severity=1: numpy.asarray(image) // (1 + severity)}
def corrupt(image, severity, corruption_name):
    return corruption_dict[corruption_name](image, severity)
"""


def small_task(entry: dict[str, Any]) -> dict[str, Any]:
    if entry["source"] == "corrupted":
        return entry
    if entry["source"] == "vtab":
        return entry | {"data_dir": "archives", "stored_size": 32}
    kept = {key: entry[key] for key in ("draw",) if key in entry}
    kept |= {"train_images": FEWER[entry["train_images"]]} if "train_images" in entry else {}
    return {"source": "arrays", "path": "cells.npz"} | kept


def small_backbone(entry: dict[str, Any], paper: bool) -> dict[str, Any]:
    staged = paper or entry.get("granularity") == "stage"
    model = entry["model"] if paper else "test_efficientnet" if staged else "test_vit"
    return {"model": model, "weights": "random", "input_size": 32} | ({"granularity": "stage"} if staged else {})


def scaled(name: str) -> dict[str, Any]:
    """The config of a file as it is, but for what makes it take long or needs packages and downloads."""
    file = f"config/experiments/{name}.yaml" if name != "paper" else "config/paper.yaml"
    config, (tasks, backbones) = yaml.safe_load((ROOT / file).read_text()), KEPT[name]
    config["tasks"] = {task: small_task(config["tasks"][task]) for task in tasks}
    config["backbones"] = {each: small_backbone(config["backbones"][each], name == "paper") for each in backbones}
    config["recipe"] |= {"epochs": 1, "batch_size": 20, "augmentation": "none"}
    for part in ("profile", "greedy"):
        config[part]["folds"] = 2
    config["greedy"]["max_rounds"] = min(2, config["greedy"].get("max_rounds", 2))
    config["evaluate"]["seeds"] = 2
    config.setdefault("tune", {})["lr"] = [1]
    subsets = config["evaluate"].get("subsets", {})
    subsets |= {key: "window blocks.1 2" for key, value in subsets.items() if value.startswith("stage ")}
    experiments = config.get("experiments", {})
    if "active" in experiments:
        experiments["active"] |= {"labelled": [9, 12, 15], "seeds": 2}
    if "stability" in experiments:
        experiments["stability"] |= {"seeds": 2, "folds": [3], "epochs": [2], "lr": [0.3]}
        config["tune"]["full_budget"] = True
    return config


def prepare(name: str, folder: Path) -> dict[str, str]:
    """The data of a config, of 32 pixels where it is corrupted; returns what the environment needs."""
    if name == "paper":
        synthetic.make(folder / "archives")
    if name != "corruptions":
        return {}
    write_arrays(folder / "small.npz")
    small = dict(np.load(folder / "small.npz"))
    np.savez(folder / "cells.npz", **{n: a.repeat(4, 1).repeat(4, 2) if n[0] == "x" else a for n, a in small.items()})
    package = folder / "packages/imagecorruptions"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(LIBRARY)
    return {"PYTHONPATH": str(package.parent)}


class Made:
    """What a study left."""

    def __init__(self, folder: Path, config: dict[str, Any]):
        self.folder, self.config = folder, config
        self.pairs = [f"{task}/{backbone}" for task in config["tasks"] for backbone in config["backbones"]]

    def table(self, name: str) -> pd.DataFrame:
        return read_csv(self.folder / "results" / f"{name}.csv")

    def drawn(self, name: str) -> bool:
        return (self.folder / "results/figures" / f"{name}.svg").stat().st_size > 5000

    def means(self, pair: str) -> dict[str, float]:
        return self.table(f"{pair}/evaluation").set_index("method")["mean"].to_dict()


def check_active(made: Made) -> None:
    table = made.table("digits/lite0/active")
    assert table["labelled"].tolist() == [9, 12, 15] * 6
    assert table["n"].unique().tolist() == [2]
    first = table[table["labelled"] == 9].groupby("train")["mean"].nunique()
    assert first.to_dict() == {"best": 1, "full": 1}, "all acquisitions begin with the same labels"
    assert made.drawn("digits/lite0/active")


def check_corruptions(made: Made) -> None:
    clean, noisy = (np.load(made.folder / f"results/tasks/{task}/test/images.npy") for task in made.config["tasks"])
    assert np.array_equal(noisy, np.broadcast_to(clean // 2, noisy.shape))
    alone = made.table("gaussian_noise/lite0_stages/profile_test").set_index("layer")
    assert alone.loc["linear", "mean"] == pytest.approx(made.means("gaussian_noise/lite0_stages")["linear"])
    assert made.table("gaussian_noise/lite0_stages/greedy")["round"].max() >= 1
    assert made.drawn("profiles_lite0_stages")


def check_methods(made: Made) -> None:
    check_ranks(made)
    check_rankings(made)


def check_ranks(made: Made) -> None:
    ranks = made.table("tables/ranks").set_index("method")
    found = pd.DataFrame({pair: made.means(pair) for pair in made.pairs})
    assert ranks["mean_rank"].to_dict() == pytest.approx(found.rank(ascending=False).mean(axis=1).to_dict(), abs=1e-3)
    assert made.drawn("ranks")


def check_rankings(made: Made) -> None:
    for pair in made.pairs:
        assert made.table(f"{pair}/rankings")["spearman"].notna().sum() >= 2
        assert made.drawn(f"{pair}/rankings")


def check_pairs(made: Made) -> None:
    pairs, windows = made.table("digits_200/lite0/pairs"), made.table("digits_200/lite0/windows")
    assert len(pairs) == len(LAYERS) * (len(LAYERS) + 1) / 2
    assert windows["size"].value_counts().to_dict() == {1: len(LAYERS), 2: len(LAYERS) - 1, 3: len(LAYERS) - 2}
    both = windows[windows["size"] == 2].set_index("layers")["mean"]
    named = pairs.assign(layers=pairs["first"] + "+" + pairs["second"]).set_index("layers")["mean"]
    assert both.to_dict() == named[both.index].to_dict()
    assert made.drawn("digits_200/lite0/pairs")
    assert made.drawn("digits_200/lite0/windows")


def check_paper(made: Made) -> None:
    table = made.table("tables/published")
    here = table[table["here %"].notna()]
    assert set(zip(here["task"], here["network"], strict=True)) == {("cifar100", "resnet50")}
    assert set(here["method"]) == {"SubTuning", "full fine-tuning", "linear probing"}
    assert len(table) == 36


def check_pretraining(made: Made) -> None:
    for pair in made.pairs:
        found = made.table(f"{pair}/evaluation").set_index("method")["layers"]
        assert found["reinit_best"] == f"{found['best_layer']} with reinit"
    assert made.drawn("profiles")


def check_sizes(made: Made) -> None:
    sizes = made.table("tables/sizes")
    assert sizes["images"].unique().tolist() == [30, 60]
    for images, name in ((30, 100), (60, 1000)):
        draws = pd.DataFrame([made.means(f"cifar10_{name}_{draw}/lite0_stages") for draw in (0, 1)])
        own = sizes[sizes["images"] == images].set_index("method")
        assert own["mean"].to_dict() == pytest.approx(draws.mean().to_dict(), abs=1e-5)
        assert set(own["n"]) == {2}
    assert made.drawn("sizes")


def check_worth(made: Made) -> None:
    found = made.table("digits_200/lite0/evaluation").set_index("method")
    assert 0 < found.loc["full_budget", "search_flops"] <= found.loc["greedy", "search_flops"]
    variants = made.table("digits_200/lite0/stability").set_index("variant")
    wanted = ["as configured", "seed 1", "3 folds", "2 epochs", "lr x 0.3", "epsilon 0", "stop test"]
    assert set(wanted) <= set(variants.index)
    assert variants.loc["as configured", "overlap"] == 1
    assert made.drawn("digits_200/lite0/stability")


CHECKS: dict[str, Callable[[Made], None]] = {
    "active": check_active,
    "cifar100": check_rankings,
    "corruptions": check_corruptions,
    "digits": check_rankings,
    "methods": check_methods,
    "methods_more": check_ranks,
    "pairs": check_pairs,
    "paper": check_paper,
    "pretraining": check_pretraining,
    "sizes": check_sizes,
    "worth": check_worth,
}


def test_no_experiment_is_left_out():
    assert CHECKS.keys() == {file.stem for file in (ROOT / "config/experiments").glob("*.yaml")} | {"paper"}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_an_experiment_runs_to_its_tables_and_figures(name, tmp_path, snakemake, warm_environment):
    config = scaled(name)
    folder = new_folder(tmp_path, config)
    more = prepare(name, folder)
    more = {key: os.pathsep.join([warm_environment[key], value]) for key, value in more.items()}
    result = snakemake(folder, **more)
    assert result.code == 0, result.output
    made = Made(folder, config)
    asked = {"linear", "full", "best_layer", "greedy", *config["evaluate"].get("subsets", {})}
    for pair in made.pairs:
        means = made.means(pair)
        assert asked <= means.keys()
        assert not np.isnan([*means.values()]).any()
    CHECKS[name](made)
    assert len(records(folder)) > 20
