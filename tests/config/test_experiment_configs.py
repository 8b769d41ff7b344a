"""Every config of `config/experiments/` is right, says how it is run, and its jobs can be counted."""

from pathlib import Path

import pytest
import yaml

from subtuning.analysis import job_size
from subtuning.config import load_config
from subtuning.search.steps import settings_of, steps_of

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "config" / "experiments").glob("*.yaml"))
LAYERS = {
    "layers": [{"name": f"{stage}.{n}", "kind": "layer", "stage": stage, "parameters": 10, "flops": 10, "order": n}
               for stage in ("one", "two", "three") for n in range(3)],
    "total_flops": 90, "total_parameters": 90,
}  # fmt: skip
"""Jobs are counted for a small network, so that this is fast."""


def test_there_are_experiments():
    assert {"pairs", "sizes"} <= {file.stem for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_jobs_of_each_can_be_counted(file):
    config = load_config(file)
    for backbone in config.backbones:
        steps_of(settings_of(config, backbone))
    jobs = job_size.training_jobs(config, dict.fromkeys(config.backbones, LAYERS))
    assert sum(job.runs for job in jobs) > 100
    counts = job_size.rule_counts(config, jobs)
    assert counts["train_evaluation"] == len(config.tasks) * len(config.backbones)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_says_how_it_is_run_and_what_it_asks(file):
    text, page = file.read_text(), (ROOT / "docs" / "experiments.md").read_text()
    command = f"snakemake --cores all --configfile config/experiments/{file.name}"
    assert command in text
    assert command in page
    assert text.startswith("# ")
    assert yaml.safe_load(text)["tasks"]
