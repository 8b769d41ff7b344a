"""A small results folder in which nothing was trained, and the command."""

from pathlib import Path

import pytest
import yaml

from subtuning.cli import main
from subtuning.config import Config, parse_config
from tests.cli.big import SMALL, prepare


@pytest.fixture
def config(tmp_path, monkeypatch) -> Config:
    """Of two tasks and a backbone of three layers; its folder is the working directory."""
    monkeypatch.chdir(tmp_path)
    return use(SMALL)


def use(content: dict) -> Config:
    """Make this the config, and prepare its tasks and backbones."""
    Path("config").mkdir(exist_ok=True)
    Path("config/config.yaml").write_text(yaml.safe_dump(content))
    config = parse_config(content)
    prepare(config, Path("results"), layers=3)
    return config


@pytest.fixture
def subtuning(capsys):
    """Calls the command; returns its status and what it printed to both streams."""

    def call(*words: str) -> tuple[int, str, str]:
        code = main(words)
        return (code, *capsys.readouterr())

    return call
