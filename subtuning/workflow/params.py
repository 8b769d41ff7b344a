"""The config as the rules see it: leaf values, each a stable text or number: a change re-runs only what uses it."""

import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from subtuning.analysis import LEAST_BLOCKS
from subtuning.backbones.names import check_names
from subtuning.config.load import parse_config
from subtuning.errors import UserError
from subtuning.paths import not_expanded
from subtuning.registry import names_of
from subtuning.runs.identity import canonical_json
from subtuning.runs.numbers import latest_numbers
from subtuning.runs.versions import version_of
from subtuning.search.experiments import rankings, tune, tuned_profile
from subtuning.search.experiments.greedy import DIRECTIONS
from subtuning.search.steps import read_by, settings_of, step_named, steps_of
from subtuning.tasks.fingerprint import state, task_files
from subtuning.tasks.sources.corrupted import check_library
from subtuning.workspace.prepared import backbone_entry, task_entry, weights_entry, weights_file

CONCLUDED = {"greedy": "selected.json"}
"""The file in which a step concludes what later ones need; of the others, it is their table."""


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
        self.numbers, self.version_of = latest_numbers(), version_of
        self._settings = {name: settings_of(self.config, name) for name in self.backbones}
        self._recipes: dict[tuple[str, str], str] = {}
        any_settings = self._settings[self.backbones[0]]
        early = [name for one in (tuned_profile, rankings, tune) for name in one.names(any_settings)]
        self.experiments = list(dict.fromkeys([*early, *self.config.experiments]))
        self.drawn_experiments = [name for name in self.experiments if name in names_of("figures")]
        for backbone in self.backbones:
            check_names(backbone, self.config.backbones[backbone])
            steps_of(self._settings[backbone])
        if any(task.source == "corrupted" for task in self.config.tasks.values()):
            check_library()
        for key, path in self._local_paths().items():
            if not _exists(path):
                place = f"looked in {Path.cwd().name}/"
                raise UserError(f"config: {key} is {str(path)!r}, which does not exist ({place}){not_expanded(path)}")

    @property
    def vtab_tables(self) -> list[str]:
        """The kinds of file in which the table of VTAB-1k is written, if there are such tasks."""
        return ["csv", "md", "tex"] if any(task.source == "vtab" for task in self.config.tasks.values()) else []

    @property
    def rank_tables(self) -> list[str]:
        """The kinds of file in which mean ranks are written, if there are enough tasks and backbones for them."""
        return ["csv", "md", "tex"] if len(self.tasks) * len(self.backbones) >= LEAST_BLOCKS else []

    @property
    def shared_figures(self) -> list[str]:
        """The figures of several tasks or backbones."""
        maps = [f"profiles_{backbone}" for backbone in self.backbones] if len(self.tasks) > 1 else []
        return ["profiles", *maps] if len(self.tasks) * len(self.backbones) > 1 else []

    @property
    def size_tables(self) -> list[str]:
        """The kinds of file in which sizes of the training set are compared, if a task is there in several."""
        sizes: dict[str, set[Any]] = {}
        for task in self.config.tasks.values():
            source = {key: value for key, value in task.entry().items() if key not in ("train_images", "draw")}
            sizes.setdefault(canonical_json(source), set()).add(task.train_images)
        return ["csv", "md", "tex"] if any(len(found) > 1 for found in sizes.values()) else []

    @property
    def directions(self) -> list[str]:
        """The ways in which the greedy search goes."""
        return DIRECTIONS[self.greedy.start]

    def settings_of(self, step: str) -> Callable[[Any], str]:
        """What a step reads of the config, as `--settings` takes it; `{direction}` and the like are wildcards."""

        @cache
        def read_of(name: str, backbone: str) -> str:
            settings = self._settings[backbone]
            return canonical_json(read_by(step_named(name, settings), settings))

        return lambda wildcards: read_of(step.format(**dict(wildcards.items())), wildcards.backbone)

    def files_before(self, step: str, wildcards: Any) -> list[str]:
        """What the steps before a step conclude, as files."""
        settings = self._settings[wildcards.backbone]
        folder = f"results/{wildcards.task}/{wildcards.backbone}"
        return [f"{folder}/{CONCLUDED.get(name, f'{name}.csv')}" for name in step_named(step, settings).after]

    def all_settings(self, wildcards: Any) -> str:
        """All that the steps of a study read of the config."""
        return canonical_json(self._settings[wildcards.backbone])

    def recipe(self, wildcards) -> str:
        """The recipe of a task and backbone, as `--recipe` takes it."""
        pair = (wildcards.task, wildcards.backbone)
        if pair not in self._recipes:  # a pair has a dozen jobs
            self._recipes[pair] = canonical_json(self.config.recipe_of(*pair).model_dump())
        return self._recipes[pair]

    def method_of(self, wildcards) -> str:
        """The method that is delivered."""
        return self.config.deliver.method

    def data_of(self, wildcards) -> str:
        """What trains the model that is delivered."""
        return self.config.deliver.data

    def calibrate_of(self, wildcards) -> str:
        """Whether its probabilities are calibrated, as a flag."""
        return "--calibrate" if self.config.deliver.calibrate else "--no-calibrate"

    @property
    def trains_delivered(self) -> bool:
        """Whether a delivery trains runs of its own."""
        return self.config.deliver.data == "all" or self.config.deliver.calibrate

    @property
    def delivered(self) -> list[str]:
        """`<task>/<backbone>` of every pair of which a model is delivered."""
        pairs = [(task, backbone) for task in self.tasks for backbone in self.backbones]
        return ["/".join(pair) for pair in pairs if self.config.delivers(*pair)]

    def task_spec(self, wildcards) -> str:
        """The entry of a task, as `subtuning convert --spec` takes it."""
        return canonical_json(task_entry(self.config.tasks[wildcards.task]))

    def backbone_spec(self, wildcards) -> str:
        """The entry of a backbone, as `subtuning describe --spec` takes it."""
        return canonical_json(backbone_entry(self.config.backbones[wildcards.backbone]))

    def weights_spec(self, wildcards) -> str:
        """The part of a backbone's entry that decides its weights, as `subtuning fetch --spec` takes it."""
        return canonical_json(weights_entry(self.config.backbones[wildcards.backbone]))

    def task_state(self, wildcards) -> str:
        """A fingerprint of a local task's files (names, sizes, times), so that changed images are converted again."""
        return state(*task_files(self.config.tasks[wildcards.task]).values())

    def weights_state(self, wildcards) -> str:
        """The same for a local weights file."""
        return state(weights_file(self.config.backbones[wildcards.backbone]))

    def _local_paths(self) -> dict[str, Path]:
        """Key of the config -> the file or folder of the user's that it names."""
        tasks = {
            f"tasks.{name}.{key}": path
            for name, task in self.config.tasks.items()
            for key, path in task_files(task).items()
        }
        weights = {f"backbones.{name}.weights": weights_file(entry) for name, entry in self.config.backbones.items()}
        return {key: path for key, path in (tasks | weights).items() if path}


def _exists(path: Path) -> bool:
    try:
        return path.exists()
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
