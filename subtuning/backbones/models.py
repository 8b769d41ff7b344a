"""What a model's name means: one of timm's, an old one of timm's, a repository of the hub, or a folder."""

import inspect
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import timm

from subtuning.backbones.hub import config_of
from subtuning.errors import UserError, did_you_mean, listed

SHAPES = ("input_size", "test_input_size", "mean", "std")
USED = (*SHAPES, "fixed_input_size", "interpolation", "crop_pct", "test_crop_pct")
"""What of a `pretrained_cfg` decides how images are seen."""

HUB = ("hf-hub", "hf_hub")
"""Both of timm's words for the hub (`timm.models._factory`)."""

FOLDER = "local-dir"


@dataclass(frozen=True)
class Architecture:
    """How timm makes a network.

    Attributes:
        name: timm's name, with the tag of its weights if it has one.
        args: further arguments, of a repository or folder.
        cfg: how its weights were trained (sizes, normalisation ...), where timm itself does not know it.
        place: `hf-hub:<repository>` or `local-dir:<folder>` that its weights are in, "" if timm knows where they are.
    """

    name: str
    args: dict[str, Any] = field(default_factory=dict)
    cfg: dict[str, Any] | None = None
    place: str = ""

    def to_text(self) -> str:
        """For the weights file, so that later steps need neither hub nor folder."""
        return json.dumps(asdict(self), sort_keys=True)

    def made_of(self) -> str:
        """What of it can change a number beside the weights: nothing where timm knows it all, and never the place."""
        return json.dumps([self.args, self.cfg], sort_keys=True) if self.place else ""


def check_model_name(model: str) -> None:
    """Raise `UserError`, with a suggestion, unless timm knows this model."""
    name, _, tag = model.partition(".")
    if not timm.is_model(name):
        hint = "; a repository of the hub is written hf-hub:<owner>/<name>" if "/" in name else ""
        raise UserError(
            f"timm has no model {model!r}{did_you_mean(name, timm.list_models())}{hint or '; see timm.list_models()'}"
        )
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{name}.*")]
    if tag and tag not in tags:
        known = f"; known: {listed(tags)}" if tags else ""
        raise UserError(f"timm's model {name!r} has no pretrained tag {tag!r}{did_you_mean(tag, tags)}{known}")


def find_architecture(model: str) -> Architecture:
    """Read what the config calls `model`; the hub is asked only for repositories that are not timm's own.

    Raises:
        UserError: unknown name, no such repository or folder, no network, or not a model of timm for RGB images.
    """
    source, colon, rest = model.partition(":")
    if colon and source == FOLDER:
        return _of_config(_read_folder(Path(rest)), model)
    repository = rest if colon and source in HUB else ""
    if repository and not repository.startswith("timm/"):
        return _of_config(config_of(repository), f"{HUB[0]}:{repository}")
    name = current_name((repository or model).removeprefix("timm/"))  # timm knows all of its own repositories
    check_model_name(name)
    return Architecture(name)


def current_name(model: str) -> str:
    """Today's name, with the tag, of a model that timm has renamed; any other name as it is.

    Raises:
        UserError: timm has removed it.
    """
    renamed = timm.models.get_deprecated_models()
    if model in renamed and renamed[model] is None:
        raise UserError(f"model: timm has removed {model!r}; choose another one of timm.list_models()")
    return renamed.get(model, model)


def _read_folder(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError(
            f"model: {FOLDER}:{folder} must be a folder with a config.json and weights, as timm.models.save_for_hf "
            "writes it"
        ) from None


def _of_config(config: dict[str, Any], model: str) -> Architecture:
    """From a `config.json` as timm writes it: in its older form everything lies at the top."""
    name, args, cfg = config.get("architecture"), config.get("model_args") or {}, config.get("pretrained_cfg", config)
    if not isinstance(name, str) or not timm.is_model(name):
        raise UserError(f"model: {model} holds no model of timm (its config.json gives architecture {name!r})")
    args = {key: value for key, value in args.items() if key != "num_classes"}
    if args.pop("in_chans", 3) != 3 or list(cfg.get("input_size", [3]))[:1] != [3]:
        raise UserError(f"model: {model} is for images of another number of channels than 3")
    if taken := args.keys() & inspect.signature(timm.create_model).parameters.keys():
        raise UserError(f"model: {model} wants to set {listed(sorted(taken))}, which no config.json may")
    return Architecture(current_name(name), args, _checked({k: v for k, v in cfg.items() if k in USED}, model), model)


def _checked(cfg: dict[str, Any], model: str) -> dict[str, Any]:
    for key, value in cfg.items():
        numbers = value if isinstance(value, list | tuple) else [value]
        many = 3 if key in SHAPES else 1
        kind = {"interpolation": str, "fixed_input_size": bool}.get(key, int | float)
        if len(numbers) != many or not all(isinstance(number, kind) for number in numbers):
            raise UserError(f"model: the config.json of {model} has {key} {value!r}, which timm would not write")
    return cfg
