"""What is prepared: whether a converted task or a described backbone is that of the config and its files as they are.

The one answer for all verbs, made of what the rules have as params. Prepared is what was made for the same entry and
from the same files: a task's images and labels, a backbone's weights file. Files are compared by name, size and time,
not read (`subtuning.tasks.fingerprint`). Files that are gone say nothing: what was made from them remains.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from subtuning.config import WEIGHT_FILES, BackboneEntry, Config, TaskEntry
from subtuning.errors import UserError
from subtuning.tasks.fingerprint import state, task_files
from subtuning.tasks.task import read_facts
from subtuning.workspace.paths import Results, read_json, write_json


def task_entry(task: TaskEntry) -> dict[str, Any]:
    """What of a task's entry decides its converted images, as plain values; how to train on it does not."""
    return task.plain()


def backbone_entry(backbone: BackboneEntry) -> dict[str, Any]:
    """What of a backbone's entry decides its weights and layers, as plain values."""
    return backbone.model_dump(mode="json", exclude={"recipe", "subsets"})


def weights_entry(backbone: BackboneEntry) -> dict[str, Any]:
    """What of that decides the weights alone; without a `weights_key` that says nothing, as in earlier versions."""
    entry = {key: backbone_entry(backbone)[key] for key in ("model", "weights", "weights_key")}
    return {key: value for key, value in entry.items() if (key, value) != ("weights_key", "auto")}


def weights_file(backbone: BackboneEntry) -> Path | None:
    """The user's file or folder of a backbone's weights; None for those of the hub, of a package, or random ones."""
    if backbone.weights == "timm" and backbone.model.startswith("local-dir:"):
        return Path(backbone.model.removeprefix("local-dir:"))
    local = backbone.weights.endswith(WEIGHT_FILES) and not backbone.weights.startswith("package:")
    return Path(backbone.weights) if local else None


def prepared_task(config: Config, name: str, results: Path) -> dict[str, Any] | None:
    """The content of `task.json`; None if the task is not converted, or from another entry or other files."""
    task = config.tasks[name]
    try:
        facts = read_facts(Results(results).task(name))
    except UserError:
        return None
    same = facts.get("source") == task_entry(task) and _unchanged(task_files(task).values(), facts)
    return facts if same else None


def prepared_backbone(config: Config, name: str, results: Path) -> dict[str, Any] | None:
    """The content of `layers.json`; None if the backbone is not described, or from another entry or weights file."""
    backbone, folder = config.backbones[name], Results(results).layers(name).parent
    layers = _layers(folder)
    same = layers.get("spec") == backbone_entry(backbone) and _unchanged([weights_file(backbone)], layers)
    return layers if same else None


def require_prepared(config: Config, task: str, backbone: str, results: Path) -> None:
    """Raise `UserError`, naming what prepares it, unless a task and a backbone are prepared for the config as it is."""
    stale = [f"tasks.{task}"] * (prepared_task(config, task, results) is None)
    stale += [f"backbones.{backbone}"] * (prepared_backbone(config, backbone, results) is None)
    if stale:
        raise UserError(
            f"config: {' and '.join(stale)} changed, or the files that it names, since {results} was prepared; make it "
            "anew with snakemake or subtuning train, which train nothing twice"
        )


def prepare_task(config: Config, name: str, results: Path) -> None:
    """Fetch and convert a task, as the rules would, unless it is prepared."""
    if prepared_task(config, name, results):
        return
    from subtuning.tasks import convert_task
    from subtuning.tasks.fetch import fetch_task

    if config.tasks[name].source == "vtab":
        fetch_task(config.tasks[name])
    convert_task(name, config.tasks[name], Results(results).task(name))


def prepare_backbone(config: Config, name: str, results: Path) -> None:
    """Fetch the weights of a backbone and describe it, as the rules would, unless that is done."""
    backbone, folder = config.backbones[name], Results(results).layers(name).parent
    weights, before = folder / "weights.safetensors", _layers(folder)
    if prepared_backbone(config, name, results) and weights.is_file():
        return
    of_weights = {key: (before.get("spec") or {}).get(key, "auto") for key in ("model", "weights", "weights_key")}
    same = of_weights == {"weights_key": "auto"} | weights_entry(backbone) and _unchanged(
        [weights_file(backbone)], before
    )
    if not (same and weights.is_file()):
        from subtuning.backbones.weights import fetch_weights

        if note := fetch_weights(backbone.model, backbone.weights, weights, backbone.weights_key):
            print(f"{backbone.weights}: {note}", file=sys.stderr)
    write_layers(backbone, name, folder)


def write_layers(backbone: BackboneEntry, name: str, folder: Path) -> None:
    """Describe a backbone whose weights are in `folder`, and note the entry and the file of which that is true."""
    from subtuning.backbones.describe import describe
    from subtuning.backbones.tree import undivided_sentence

    files = state(weights_file(backbone))
    description = describe(backbone, name, folder / "weights.safetensors")
    if description["undivided"]:
        print(undivided_sentence(description), file=sys.stderr)
    write_json(folder / "layers.json", {**description, "spec": backbone_entry(backbone), "files": files})


def _unchanged(files: Iterable[Path | None], before: dict[str, Any]) -> bool:
    known = [file for file in files if file]
    return not all(file.exists() for file in known) or state(*known) == before.get("files", "")


def _layers(folder: Path) -> dict[str, Any]:
    """The content of `layers.json`, empty if it is missing or damaged."""
    try:
        layers = read_json(folder / "layers.json", "subtuning describe")
    except UserError:
        return {}
    return layers if isinstance(layers, dict) else {}
