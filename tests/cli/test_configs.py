"""`status` and `clean` know every config that used the results folder."""

from pathlib import Path

import yaml

from subtuning.config import parse_config
from subtuning.workspace.configs import note_config, noted_configs
from tests.cli.big import SMALL, known_runs, train_all
from tests.cli.test_clean import table

RESULTS = Path("results")


def test_nobodys_records_are_unwanted(config, subtuning):
    other = SMALL | {"recipe": {"epochs": 2, "lr": 0.5}}
    Path("other.yaml").write_text(yaml.safe_dump(other))
    train_all(config, RESULTS)
    train_all(parse_config(other), RESULTS)
    mine = len(known_runs(config, RESULTS))
    assert table(subtuning("clean")[1])["unwanted"][0] > 0, "nobody has told of the other one"
    for file in ("config/config.yaml", "other.yaml", "other.yaml"):
        note_config(RESULTS, Path(file))
    assert noted_configs(RESULTS) == ["config/config.yaml", "other.yaml"]
    code, out, _ = subtuning("clean")
    assert code == 0
    assert table(out)["unwanted"][0] == 0
    assert "Wanted is what config/config.yaml and other.yaml ask for." in out
    status = subtuning("status")[1]
    assert "config/config.yaml:\n" in status
    assert "other.yaml:\n" in status
    assert status.count(f"In all: {mine} done, 0 running, 0 missing") == 2
    Path("other.yaml").unlink()
    out = subtuning("clean")[1]
    assert "other.yaml has used this folder too and is gone" in out
    assert table(out)["unwanted"][0] > 0


def test_a_damaged_list_is_none(config, subtuning):
    (RESULTS / "configs.json").write_text("{")
    assert noted_configs(RESULTS) == []
    assert subtuning("status")[0] == 0
