"""The config as the rules see it: leaf values, each a stable text or number: a change re-runs only what uses it."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from subtuning.config import WEIGHT_FILES
from subtuning.config.load import parse_config
from subtuning.errors import UserError
from subtuning.runs.code import code_version, figures_version
from subtuning.runs.identity import canonical_json


class Params:
    """Snakemake's `config`, checked, with one method for each value that depends on wildcards.

    Raises:
        UserError: the config is wrong, or a path in it does not exist.
    """

    def __init__(self, content: Mapping[str, Any]):
        self.config = parse_config(content)
        self.tasks, self.backbones = list(self.config.tasks), list(self.config.backbones)
        self.profile, self.greedy, self.evaluate = self.config.profile, self.config.greedy, self.config.evaluate
        self.search = self.config.search
        self.code, self.figures = code_version(), figures_version()
        for key, path in self._local_paths().items():
            if not _exists(path):
                raise UserError(f"config: {key} is {path!r}, which does not exist (looked in {Path.cwd().name}/)")

    def announce_plan(self) -> None:
        """Tell all jobs what later steps need of the images and layers; `subtuning profile` checks it before it trains.

        It is no param of that rule: with one, another subset to compare would run the profile and what follows again.
        """
        folds = {"greedy.folds": self.greedy.folds} if self.greedy.split == "cv" else {}
        subsets = {name: self.config.subsets_of(name) for name in self.backbones}
        os.environ["SUBTUNING_PLAN"] = json.dumps({"folds": folds, "subsets": subsets})

    @property
    def vtab_tables(self) -> list[str]:
        """The kinds of file in which the table of VTAB-1k is written, if there are such tasks."""
        return ["csv", "md", "tex"] if any(task.source == "vtab" for task in self.config.tasks.values()) else []

    @property
    def directions(self) -> list[str]:
        """The ways in which the greedy search goes."""
        return {"linear": ["forward"], "full": ["backward"], "best": ["forward", "backward"]}[self.greedy.start]

    def raced(self, wildcards) -> bool:
        """Whether a greedy round is a race; the first one is not, since its runs are the profile's."""
        return self.search.racing and int(wildcards.round) > 1

    def recipe(self, wildcards) -> str:
        """The recipe of a task and backbone, as `--recipe` takes it."""
        return canonical_json(self.config.recipe_of(wildcards.task, wildcards.backbone).model_dump())

    def task_spec(self, wildcards) -> str:
        """The entry of a task, as `subtuning convert --spec` takes it."""
        return canonical_json(self.config.tasks[wildcards.task].model_dump(exclude={"recipe"}))

    def backbone_spec(self, wildcards) -> str:
        """The entry of a backbone, as `subtuning describe --spec` takes it."""
        return canonical_json(self._backbone(wildcards))

    def weights_spec(self, wildcards) -> str:
        """The part of a backbone's entry that decides its weights, as `subtuning fetch --spec` takes it.

        Without `weights_key` where it says nothing, so that weights of earlier versions are not fetched anew.
        """
        spec = {key: self._backbone(wildcards)[key] for key in ("model", "weights", "weights_key")}
        return canonical_json({key: value for key, value in spec.items() if value != "auto"})

    def subsets(self, wildcards) -> str:
        """The named subsets of a backbone, as `subtuning evaluate --subsets` takes them."""
        return json.dumps(self.config.subsets_of(wildcards.backbone))

    def task_state(self, wildcards) -> str:
        """A fingerprint of a local task's files (names, sizes, times), so that changed images are converted again."""
        return self._state(f"tasks.{wildcards.task}.path")

    def weights_state(self, wildcards) -> str:
        """The same for a local weights file."""
        return self._state(f"backbones.{wildcards.backbone}.weights")

    def _state(self, key: str) -> str:
        from subtuning.tasks.fingerprint import fingerprint

        path = self._local_paths().get(key)
        return fingerprint(Path(path)) if path else ""

    def _local_paths(self) -> dict[str, str]:
        """Key of the config -> the file or folder of the user's that it names."""
        tasks = {f"tasks.{name}.path": getattr(task, "path", None) for name, task in self.config.tasks.items()}
        files = {}
        for name, backbone in self.config.backbones.items():
            if backbone.weights.endswith(WEIGHT_FILES) and not backbone.weights.startswith("package:"):
                files[f"backbones.{name}.weights"] = backbone.weights
            elif backbone.weights == "timm" and backbone.model.startswith("local-dir:"):
                files[f"backbones.{name}.weights"] = backbone.model.removeprefix("local-dir:")
        return {key: path for key, path in tasks.items() if path} | files

    def _backbone(self, wildcards) -> dict[str, Any]:
        return self.config.backbones[wildcards.backbone].model_dump(exclude={"recipe", "subsets"})


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # a name that is too long, a folder that may not be entered
        return False


def put_command_on_path() -> None:
    """Let jobs find `subtuning` where this Python has it, also when its environment is not activated.

    Its package is the one that this file is part of: with two checkouts and one environment, rules and jobs agree.
    """
    here = str(Path(sys.executable).parent)
    folders = os.environ.get("PATH", "").split(os.pathsep)
    if here not in folders:
        os.environ["PATH"] = os.pathsep.join([here, *folders])
    package = str(Path(__file__).resolve().parents[2])
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", package)]
    os.environ["PYTHONPATH"] = os.pathsep.join([package, *others])
